//! Secrets in configuration: read from the environment or a file, never printed.

use std::{fmt, path::Path, str::FromStr};

use anyhow::Context;
use schemas::KeyRing;

/// A text that debug output and help never show.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for handing to a client.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Reads a key ring from its file.
///
/// # Errors
/// When the file cannot be read or is no key ring; the message names the file and never a key.
pub fn read_key_ring(path: &Path) -> anyhow::Result<KeyRing> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the key file {}", path.display()))?;
    KeyRing::try_parse(&text).with_context(|| format!("key file {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let secret: Secret = "hunter2".parse().expect("any text is a secret");
        assert_eq!(format!("{secret:?}"), "***");
    }
}
