//! What a command may have noted, whatever it is about: shown to others as it is, or encrypted before it is kept.

use schemas::KeyRing;
use service::sealing::{self, Place};
use uuid::Uuid;

use crate::{
    error::IngestError,
    fields::{Field, Text, check_plain_text, check_text},
};

/// Longest note, in characters.
const MAX_NOTE_CHARS: usize = 500;

/// The field of a note, which may be left out.
pub const NOTE: Field = Field::optional::<Option<String>>("note", || "expected a text".to_owned());

/// A note that is kept as it is, and so has no number of a person in it.
///
/// # Errors
/// When it is blank, too long or holds such a number.
pub fn plain(note: Option<&Text<'_>>) -> Result<Option<String>, IngestError> {
    let Some(note) = note else { return Ok(None) };
    check_plain_text("note", note, MAX_NOTE_CHARS)?;
    Ok(Some(note.to_string()))
}

/// A note that only whoever has the keys can read; it opens as that of `record` alone.
///
/// # Errors
/// When it is blank or too long, or cannot be encrypted.
pub fn sealed(note: Option<&Text<'_>>, record: Uuid, keys: &KeyRing) -> Result<Option<String>, IngestError> {
    let Some(note) = note else { return Ok(None) };
    check_text("note", note, MAX_NOTE_CHARS)?;
    Ok(Some(sealing::seal(keys, Place { record, field: "note" }, note.as_bytes())?))
}
