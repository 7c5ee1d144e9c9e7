//! Who a request speaks of: a person key, or a document that is hashed here and goes no further.

use schemas::{Document, DocumentType, KeyRing, PersonKey, Plate, PlateKey, plate::PlateError};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    error::IngestError,
    fields::{Field, Holds, Text, one_of},
};

/// Who is known to this gateway, and under which key.
pub trait People {
    /// Whether anything is kept of a person under this key: a colour, a test or a registration.
    fn knows(&self, person: PersonKey) -> bool;
    /// Whether a person has filled in a form.
    fn is_registered(&self, person: PersonKey) -> bool;
    /// Who registered a person and may scan for them.
    fn guardian_of(&self, person: PersonKey) -> Option<PersonKey>;
    /// Whether anything is kept of a lorry under this key; `None` while not everything has been read.
    fn knows_lorry(&self, vehicle: PlateKey) -> Option<bool>;
}

/// Nobody is known.
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

impl People for Nobody {
    fn knows(&self, _: PersonKey) -> bool {
        false
    }
    fn is_registered(&self, _: PersonKey) -> bool {
        false
    }
    fn guardian_of(&self, _: PersonKey) -> Option<PersonKey> {
        None
    }
    fn knows_lorry(&self, _: PlateKey) -> Option<bool> {
        Some(false)
    }
}

/// The ring that hashes people and lorries, with who is known under which of its keys: while it rotates, whoever is known
/// under an older one keeps it, or colour, tests, registration and open trips would be another person's.
#[derive(Clone, Copy)]
pub struct Keys<'k> {
    /// The keys.
    pub ring: &'k KeyRing,
    /// Who is known.
    pub people: &'k dyn People,
}

impl Keys<'_> {
    /// A document's holder.
    pub fn person(&self, document: &Document) -> PersonKey {
        PersonKey::derive_known(self.ring, document, |key| self.people.knows(key))
    }

    /// Every key under which a document's holder may be known.
    pub fn all_of(&self, document: &Document) -> impl Iterator<Item = PersonKey> {
        let active = PersonKey::derive(self.ring, document);
        let others = self.ring.other_versions();
        [active]
            .into_iter()
            .chain(others.filter_map(move |version| PersonKey::derive_version(self.ring, version, document)))
    }

    /// Whether a key is that of a document's holder, under whatever version it was made.
    pub fn is_of(&self, person: PersonKey, document: &Document) -> bool {
        PersonKey::derive_version(self.ring, person.key_version(), document) == Some(person)
    }

    /// The lorry with a plate.
    ///
    /// # Errors
    /// When it is no plate, which names the field; while it cannot be known under which key the lorry is.
    pub fn vehicle(&self, field: &'static str, plate: &str) -> Result<PlateKey, IngestError> {
        let plate =
            Plate::try_new(plate).map_err(|error: PlateError| IngestError::invalid(field, error.to_string()))?;
        let active = PlateKey::derive(self.ring, &plate);
        if self.ring.has_others() && self.people.knows_lorry(active).is_none() {
            return Err(IngestError::NotReady);
        }
        Ok(PlateKey::derive_known(self.ring, &plate, |key| self.people.knows_lorry(key) == Some(true)))
    }
}

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
    keys: Keys<'_>,
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
    keys: Keys<'_>,
) -> Result<(PersonKey, Option<Document>), IngestError> {
    match (person, document) {
        (Some(person), None) => Ok((person, None)),
        (None, Some(document)) => {
            let document = Document::try_new(document.kind, &document.number)?;
            Ok((keys.person(&document), Some(document)))
        }
        (None, None) => Err(IngestError::missing("person", "expected `person` or `document`")),
        (Some(_), Some(_)) => Err(IngestError::invalid("document", "expected `person` or `document`, not both")),
    }
}

/// Every key under which the person that a key or a document names may be known.
///
/// # Errors
/// As [`resolve`].
pub fn all_keys(
    person: Option<PersonKey>,
    document: Option<&DocumentRequest<'_>>,
    keys: Keys<'_>,
) -> Result<Vec<PersonKey>, IngestError> {
    let (person, document) = identify(person, document, keys)?;
    Ok(document.map_or_else(|| vec![person], |document| keys.all_of(&document).collect()))
}
