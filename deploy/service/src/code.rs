//! Settings of whoever writes or reads venue codes: the keys that sign them, and the URL that they stand in.

use std::path::PathBuf;

use anyhow::ensure;
use schemas::{KeyRing, VenueCode};

use crate::secret::read_key_ring;

/// With which keys venue codes are signed, and in which URL they are printed.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "City")]
pub struct CodeConfig {
    /// File with the keys that sign venue codes, as lines of VERSION:HEX
    #[arg(long, env = "VENUECODE_CODE_KEYS_FILE", value_name = "FILE")]
    pub code_keys_file: PathBuf,
    /// What stands before a code in its URL; upper case keeps the QR code small
    #[arg(long, env = "VENUECODE_BASE_URL", default_value = "HTTPS://CODE.EXAMPLE/V/", value_name = "URL")]
    pub base_url: String,
}

/// The keys, read, and the URL, checked.
#[derive(Debug, Clone)]
pub struct CodeSigner {
    /// Signs and verifies venue codes.
    pub keys: KeyRing,
    /// What stands before a code in its URL.
    pub base_url: String,
}

impl CodeConfig {
    /// Reads the keys.
    ///
    /// # Errors
    /// When the key file cannot be read, or the URL cannot stand before a code.
    pub fn load(&self) -> anyhow::Result<CodeSigner> {
        ensure!(
            self.base_url.ends_with('/')
                && self.base_url.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\'),
            "--base-url `{}` cannot stand before a code: expected an ASCII URL that ends in `/`",
            self.base_url
        );
        Ok(CodeSigner { keys: read_key_ring(&self.code_keys_file)?, base_url: self.base_url.clone() })
    }
}

impl CodeSigner {
    /// The URL of a code, as posters carry it.
    pub fn url(&self, code: VenueCode) -> String {
        format!("{}{}", self.base_url, code.sign(&self.keys))
    }
}
