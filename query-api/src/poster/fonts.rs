//! The fonts of the posters: two weights of one family, held in memory.

use std::path::{Path, PathBuf};

use typst::{
    foundations::Bytes,
    text::{Font, FontBook},
    utils::LazyHash,
};

/// Files that `deploy/fonts/fetch.sh` brings, all of which are needed.
const FILES: [&str; 2] = ["NotoSansSC_400Regular.ttf", "NotoSansSC_700Bold.ttf"];
/// The family that the template sets everything in.
const FAMILY: &str = "Noto Sans SC";

/// Why there are no fonts.
#[derive(Debug, thiserror::Error)]
pub enum FontsError {
    /// A file is missing.
    #[error("cannot read {}", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// Why it cannot be read.
        source: std::io::Error,
    },
    /// A file is another font, or none.
    #[error("{} is not Noto Sans SC", .path.display())]
    Other {
        /// The file.
        path: PathBuf,
    },
}

/// The fonts, read and indexed.
pub struct Fonts {
    book: LazyHash<FontBook>,
    fonts: Vec<Font>,
}

impl Fonts {
    /// Reads the fonts in a folder, 21 MB.
    ///
    /// # Errors
    /// When one is missing or another one than expected.
    pub fn try_read(folder: &Path) -> Result<Self, FontsError> {
        let fonts = FILES.map(|file| read(folder.join(file))).into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(Self { book: LazyHash::new(FontBook::from_fonts(&fonts)), fonts })
    }

    /// Whether a character can be printed in either weight.
    pub fn cover(&self, character: char) -> bool {
        self.fonts.iter().all(|font| font.info().coverage.contains(character.into()))
    }

    pub(super) const fn book(&self) -> &LazyHash<FontBook> {
        &self.book
    }

    pub(super) fn font(&self, index: usize) -> Option<Font> {
        self.fonts.get(index).cloned()
    }
}

fn read(path: PathBuf) -> Result<Font, FontsError> {
    match std::fs::read(&path) {
        Err(source) => Err(FontsError::Missing { path, source }),
        Ok(bytes) => Font::new(Bytes::new(bytes), 0)
            .filter(|font| font.info().family.eq_ignore_ascii_case(FAMILY))
            .ok_or(FontsError::Other { path }),
    }
}
