//! The QR code of a URL, as runs of dark modules.

use qrcode2::{Color, EcLevel, QrCode};
use serde::Serialize;

/// A QR code without its quiet zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QrRuns {
    /// Modules per side.
    modules: usize,
    /// Dark modules that lie side by side in a row: column, row, length.
    runs: Vec<(usize, usize, usize)>,
}

impl QrRuns {
    /// The code of a URL. A quarter of it may be dirty or torn (level Q), or more where that makes it no larger.
    ///
    /// # Errors
    /// When the URL is longer than a QR code can hold.
    pub fn try_new(url: &str) -> Result<Self, qrcode2::Error> {
        let code = QrCode::with_error_correction_level(url, EcLevel::Q)?;
        let modules = code.width();
        let sturdier = QrCode::with_error_correction_level(url, EcLevel::H).ok();
        let code = sturdier.filter(|sturdier| sturdier.width() == modules).unwrap_or(code);
        let mut runs = Vec::new();
        for (row, colours) in code.into_colors().chunks(modules).enumerate() {
            let mut column = 0;
            for run in colours.chunk_by(|a, b| a == b) {
                if run.first() == Some(&Color::Dark) {
                    runs.push((column, row, run.len()));
                }
                column += run.len();
            }
        }
        Ok(Self { modules, runs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runs_are_the_dark_modules_and_an_upper_case_url_stays_small() {
        let qr = QrRuns::try_new("HTTPS://CODE.EXAMPLE/V/1000000P06XK7YAZQ").expect("a code");
        assert!(qr.modules <= 33, "{} modules", qr.modules);
        assert_eq!(qr.runs.first(), Some(&(0, 0, 7)), "the finder pattern at the top left");
        let dark: usize = qr.runs.iter().map(|(_, _, length)| length).sum();
        let share = dark as f64 / (qr.modules * qr.modules) as f64;
        assert!((0.4..0.6).contains(&share), "masking keeps dark and light in balance: {share}");
        assert!(qr.runs.iter().all(|(x, y, length)| x + length <= qr.modules && *y < qr.modules));
    }

    #[test]
    fn a_url_that_is_too_long_is_refused() {
        assert!(QrRuns::try_new(&"A".repeat(5_000)).is_err());
    }
}
