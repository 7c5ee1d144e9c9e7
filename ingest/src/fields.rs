//! Reads JSON objects strictly, and says which field is wrong when one is.
//!
//! The fast path is serde into a borrowed struct. Only when that fails is the text read again, field by field:
//! serde's own messages name no field and repeat the value, which may be a document number.

use std::{borrow::Cow, fmt, marker::PhantomData};

use axum::extract::Path;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::{error::Category, value::RawValue};
use service::http::Segment;

use crate::{error::IngestError, personal};

/// Longest name of an unknown field that is sent back, in characters.
pub const MAX_NAME_CHARS: usize = 64;

/// A text, borrowed from the body unless it has escapes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// A text that names a person, at least in part: debug output does not show it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Hidden<'a>(#[serde(borrow)] Text<'a>);

impl std::ops::Deref for Hidden<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// An object that a client sends.
pub trait Object<'a>: Deserialize<'a> {
    /// Its fields; must say the same as the struct.
    const FIELDS: &'static [Field];
}

/// One field of an object.
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What it holds.
    pub holds: Holds,
}

/// What a field holds.
pub enum Holds {
    /// One value.
    Value {
        /// Whether a value is one of those it may hold.
        reads: fn(&RawValue) -> bool,
        /// Says which those are, as "expected …".
        expected: fn() -> String,
    },
    /// An object of its own.
    Object(&'static [Field]),
}

impl Field {
    /// A field that must be there.
    pub const fn required<T: DeserializeOwned>(name: &'static str, expected: fn() -> String) -> Self {
        Self { name, required: true, holds: Holds::Value { reads: reads::<T>, expected } }
    }

    /// A field that may be left out, or, where `T` is an option, be null.
    pub const fn optional<T: DeserializeOwned>(name: &'static str, expected: fn() -> String) -> Self {
        Self { name, required: false, holds: Holds::Value { reads: reads::<T>, expected } }
    }

    fn expected(&self) -> String {
        match &self.holds {
            Holds::Value { expected, .. } => expected(),
            Holds::Object(fields) => format!("expected an object with {}", names(fields)),
        }
    }
}

/// "expected one of …"
pub fn one_of(words: impl IntoIterator<Item = &'static str>) -> String {
    format!("expected one of {}", words.into_iter().collect::<Vec<_>>().join(", "))
}

/// Reads an object.
///
/// # Errors
/// When it is not JSON, or a field is unknown, missing, repeated or of another type.
pub fn read<'a, T: Object<'a>>(text: &'a [u8]) -> Result<T, IngestError> {
    // serde would also take an array, as the fields' values in their order.
    if text.trim_ascii_start().first() != Some(&b'{') {
        return Err(diagnose(text, T::FIELDS));
    }
    serde_json::from_slice(text).map_err(|_| diagnose(text, T::FIELDS))
}

/// Reads an object within an object: for `deserialize_with`, where serde would also take an array.
///
/// # Errors
/// When it is no object, or none of `T`.
pub fn inner<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Inner<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Inner<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }
    deserializer.deserialize_map(Inner(PhantomData))
}

/// The same for one that may be null.
///
/// # Errors
/// As [`inner`].
pub fn optional_inner<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    struct Present<T>(T);
    impl<'de, T: Deserialize<'de>> Deserialize<'de> for Present<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            inner(deserializer).map(Self)
        }
    }
    Ok(Option::<Present<T>>::deserialize(deserializer)?.map(|Present(value)| value))
}

/// The text of a path's one parameter.
///
/// # Errors
/// When it is not encoded as a path is.
pub fn segment(segment: Segment, field: &'static str) -> Result<String, IngestError> {
    let expected = "expected a text in UTF-8, percent-encoded where needed";
    segment.map(|Path(text)| text).map_err(|_| IngestError::invalid(field, expected))
}

/// Checks a text that is stored: not blank, not too long, without control characters.
///
/// # Errors
/// [`IngestError::InvalidField`] with what was expected.
pub fn check_text(field: &'static str, text: &str, max_chars: usize) -> Result<(), IngestError> {
    if !fits(text, max_chars) {
        let expected = format!("expected 1 to {max_chars} characters, not all blank, without control characters");
        return Err(IngestError::invalid(field, expected));
    }
    Ok(())
}

/// Checks a text that is stored as it is and names no person: also without document or phone numbers, which somebody
/// may have pasted there.
///
/// # Errors
/// [`IngestError::InvalidField`] with what was expected.
pub fn check_plain_text(field: &'static str, text: &str, max_chars: usize) -> Result<(), IngestError> {
    check_text(field, text, max_chars)?;
    if personal::holds_number(text) {
        let expected =
            "expected a text without the number of an identity card or a mobile phone: it is stored as it is";
        return Err(IngestError::invalid(field, expected));
    }
    Ok(())
}

/// Whether a text is not blank, not too long, and without control characters.
pub fn fits(text: &str, max_chars: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= max_chars && !text.chars().any(char::is_control)
}

fn reads<T: DeserializeOwned>(value: &RawValue) -> bool {
    serde_json::from_str::<T>(value.get()).is_ok()
}

fn names(fields: &[Field]) -> String {
    fields.iter().map(|f| f.name).collect::<Vec<_>>().join(", ")
}

fn diagnose(text: &[u8], fields: &'static [Field]) -> IngestError {
    match serde_json::from_slice::<Entries<'_>>(text) {
        // It reads in the end: only the fields' own types could have failed, and they are checked there.
        Ok(entries) => check(&entries.0, fields, "").err().unwrap_or(IngestError::NotAnObject),
        Err(error) if error.classify() == Category::Data => IngestError::NotAnObject,
        Err(error) => {
            let what = if error.is_eof() { "it ends too early" } else { "unexpected text" };
            IngestError::MalformedJson { what, line: error.line(), column: error.column() }
        }
    }
}

fn check(entries: &[(String, &RawValue)], fields: &'static [Field], prefix: &str) -> Result<(), IngestError> {
    for (at, (name, value)) in entries.iter().enumerate() {
        let shown = || format!("{prefix}{}", name.chars().take(MAX_NAME_CHARS).collect::<String>());
        let Some(field) = fields.iter().find(|f| f.name == name) else {
            return Err(IngestError::UnknownField { field: shown(), known: names(fields) });
        };
        if entries[..at].iter().any(|(earlier, _)| earlier == name) {
            return Err(IngestError::invalid(shown(), "expected this field once"));
        }
        match &field.holds {
            Holds::Value { reads, expected } if !reads(value) => return Err(IngestError::invalid(shown(), expected())),
            Holds::Value { .. } => {}
            Holds::Object(_) if value.get() == "null" && !field.required => {}
            Holds::Object(inner) => {
                let Ok(entries) = serde_json::from_str::<Entries<'_>>(value.get()) else {
                    return Err(IngestError::invalid(shown(), field.expected()));
                };
                check(&entries.0, inner, &format!("{prefix}{name}."))?;
            }
        }
    }
    match fields.iter().find(|f| f.required && !entries.iter().any(|(name, _)| name == f.name)) {
        Some(field) => Err(IngestError::missing(format!("{prefix}{}", field.name), field.expected())),
        None => Ok(()),
    }
}

/// An object's fields in the order in which they were sent, repeated ones included.
struct Entries<'t>(Vec<(String, &'t RawValue)>);

impl<'de: 't, 't> Deserialize<'de> for Entries<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                    if entries.len() > 1000 {
                        return Err(A::Error::custom("too many fields"));
                    }
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests;
