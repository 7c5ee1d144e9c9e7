//! Where the fonts of the posters are. Whether they are there, the query service finds out with the first poster.

use std::path::PathBuf;

use anyhow::Context;

use crate::engines::{cache_dir, non_empty};

/// Environment variable that names the folder.
pub const FONTS_VARIABLE: &str = "VENUECODE_FONTS";

/// Pins the version; `deploy/fonts/fetch.sh` reads the same file.
const PACKAGE: &str = include_str!("../../fonts/package.json");

/// The folder in `VENUECODE_FONTS`, else the one that `deploy/fonts/fetch.sh` fills.
///
/// # Errors
/// The environment names no home.
pub fn folder() -> anyhow::Result<PathBuf> {
    if let Some(folder) = non_empty(FONTS_VARIABLE) {
        return Ok(folder);
    }
    let package: serde_json::Value = serde_json::from_str(PACKAGE)?;
    let version = package["dependencies"]["@expo-google-fonts/noto-sans-sc"]
        .as_str()
        .context("deploy/fonts/package.json pins no version")?;
    Ok(cache_dir()?.join(format!("fonts-{version}")))
}
