//! Reads stored numbers as the words and keys that they stand for.

use schemas::{Colour, Direction, Method, PersonKey, Verdict};
use serde::{Deserialize, Deserializer, de::Error};

/// Reads an `Enum8`.
fn word<'de, D: Deserializer<'de>, T>(column: D, word: fn(u8) -> Option<T>) -> Result<T, D::Error> {
    let number = i8::deserialize(column)?;
    let known = u8::try_from(number).ok().and_then(word);
    known.ok_or_else(|| D::Error::custom("a stored number that stands for no word"))
}

pub(super) fn method<'de, D: Deserializer<'de>>(column: D) -> Result<Method, D::Error> {
    word(column, Method::from_number)
}

pub(super) fn direction<'de, D: Deserializer<'de>>(column: D) -> Result<Direction, D::Error> {
    word(column, Direction::from_number)
}

pub(super) fn verdict<'de, D: Deserializer<'de>>(column: D) -> Result<Verdict, D::Error> {
    word(column, Verdict::from_number)
}

pub(super) fn colour<'de, D: Deserializer<'de>>(column: D) -> Result<Colour, D::Error> {
    word(column, Colour::from_number)
}

pub(super) fn person<'de, D: Deserializer<'de>>(column: D) -> Result<PersonKey, D::Error> {
    let number = u64::deserialize(column)?;
    PersonKey::from_u64(number).ok_or_else(|| D::Error::custom("a stored number that is no person key"))
}
