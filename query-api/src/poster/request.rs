//! What a poster can be asked for as.

use std::{fmt, str::FromStr};

use schemas::city::PosterSize;

/// A file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// PDF/A-2b, for printing.
    Pdf,
    /// SVG with outlined text, for further layout.
    Svg,
    /// PNG, for screens.
    Png,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Pdf, Self::Svg, Self::Png];

    /// The word in requests, which is the file's extension as well.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Svg => "svg",
            Self::Png => "png",
        }
    }

    /// The media type of such a file.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Svg => "image/svg+xml",
            Self::Png => "image/png",
        }
    }
}

impl FromStr for Format {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|format| format.as_str() == word).ok_or(())
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Size, format and resolution of a poster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Order {
    /// Its size.
    pub size: PosterSize,
    /// Its format.
    pub format: Format,
    /// Pixels per inch of a PNG; the other formats have none.
    pub dpi: u16,
}

/// Fewest pixels per inch of a PNG: the smallest poster's code still has seven pixels per module.
pub const MIN_DPI: u16 = 50;

/// Most pixels per inch of a size. A sheet is held in memory whole, at four bytes a pixel and twice over: 80 × 180 cm at
/// 300 dpi takes 1.6 GB, at 150 dpi 0.45 GB.
pub const fn max_dpi(size: PosterSize) -> u16 {
    match size {
        PosterSize::A4 => 600,
        PosterSize::Sheet60x90 => 200,
        PosterSize::Stand80x180 => 150,
    }
}

/// Pixels per inch when a request names none: sharp from where such a poster is read.
pub const fn default_dpi(size: PosterSize) -> u16 {
    match size {
        PosterSize::A4 => 300,
        PosterSize::Sheet60x90 => 150,
        PosterSize::Stand80x180 => 100,
    }
}

/// The word of a size in requests.
pub const fn size_word(size: PosterSize) -> &'static str {
    match size {
        PosterSize::A4 => "a4",
        PosterSize::Sheet60x90 => "60x90",
        PosterSize::Stand80x180 => "80x180",
    }
}
