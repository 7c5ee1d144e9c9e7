//! Who a request speaks of: a person key, or a document that is hashed here and goes no further.

use schemas::{Document, DocumentType, KeyRing, PersonKey};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    error::IngestError,
    fields::{Field, Holds, Text, one_of},
};

/// Longest name of a person, in characters.
pub const MAX_PERSON_CHARS: usize = 50;
/// What a phone number looks like.
pub const PHONE: &str = "expected a phone number: 5 to 20 digits, spaces or hyphens, a plus sign in front allowed";

/// Whether a text can be a phone number.
pub fn is_phone(text: &str) -> bool {
    let phone = text.strip_prefix('+').unwrap_or(text);
    let in_order = phone.bytes().all(|b| b.is_ascii_digit() || b == b' ' || b == b'-');
    let digits = phone.bytes().filter(u8::is_ascii_digit).count();
    in_order && (5..=20).contains(&digits) && phone.len() <= 25
}

/// An identity document as clients send it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentRequest<'a> {
    /// Which document.
    #[serde(rename = "type")]
    kind: DocumentType,
    /// Its number; an identity card's check character is verified.
    #[serde(borrow)]
    #[schema(value_type = String)]
    number: Text<'a>,
}

/// Debug output ends in logs: it shows the type only.
impl std::fmt::Debug for DocumentRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DocumentRequest({})", self.kind.as_str())
    }
}

/// The field `person`, wherever it occurs.
pub const PERSON: Field = Field::optional::<Option<PersonKey>>("person", || {
    "expected a person key: 16 lower-case hex digits, the first one from 1 to f".to_owned()
});

/// The field `document`, wherever it occurs.
pub const DOCUMENT: Field = Field {
    name: "document",
    required: false,
    holds: Holds::Object(&[
        Field::required::<DocumentType>("type", || one_of(["id_card", "passport", "permit", "other"])),
        Field::required::<String>("number", || "expected the number as a text".to_owned()),
    ]),
};

/// The person that a key or a document names.
///
/// # Errors
/// When neither or both are given, or the document's number cannot be.
pub fn resolve(
    person: Option<PersonKey>,
    document: Option<&DocumentRequest<'_>>,
    keys: &KeyRing,
) -> Result<PersonKey, IngestError> {
    identify(person, document, keys).map(|(person, _)| person)
}

/// The person that a key or a document names, and the document if there is one.
///
/// # Errors
/// As [`resolve`].
pub fn identify(
    person: Option<PersonKey>,
    document: Option<&DocumentRequest<'_>>,
    keys: &KeyRing,
) -> Result<(PersonKey, Option<Document>), IngestError> {
    match (person, document) {
        (Some(person), None) => Ok((person, None)),
        (None, Some(document)) => {
            let document = Document::try_new(document.kind, &document.number)?;
            Ok((PersonKey::derive(keys, &document), Some(document)))
        }
        (None, None) => Err(IngestError::missing("person", "expected `person` or `document`")),
        (Some(_), Some(_)) => Err(IngestError::invalid("document", "expected `person` or `document`, not both")),
    }
}
