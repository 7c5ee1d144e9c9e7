//! The person key: what stands for a person on Kafka and in ClickHouse.
//!
//! A keyed hash of document type and number. Without the key nobody can go from a known number to a key;
//! with it one still cannot go back.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Document, KeyRing};

/// Person key: 4 bits of key version, then 60 bits of a keyed BLAKE3 hash over document type and number.
///
/// Its text is 16 lower-case hex digits, of which the first is the key version. At 25 million people the
/// chance that any two share a key is about 3 in 10,000.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PersonKey(u64);

/// A text that is no person key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected a person key: 16 lower-case hex digits, the first one from 1 to f")]
pub struct PersonKeyError;

impl PersonKey {
    /// Stands for somebody who was erased in what is about others as well. It is nobody's: that a hash is zero is not to be
    /// expected.
    pub const NOBODY: Self = Self(0xf << 60);

    /// Derives the key of a document's holder with the ring's active key.
    pub fn derive(ring: &KeyRing, document: &Document) -> Self {
        Self::derive_with(ring.active_version(), ring.active_key(), document)
    }

    /// Derives the key with a given key version, to find a person stored under an older one.
    ///
    /// Returns `None` when the ring does not have that version.
    pub fn derive_version(ring: &KeyRing, version: u8, document: &Document) -> Option<Self> {
        Some(Self::derive_with(version, ring.key(version)?, document))
    }

    /// Derives the key under which a document's holder is known. While a ring rotates, whoever is known under an older key
    /// keeps it; everybody else gets the active one. `known` is asked only when the ring has more than one key.
    pub fn derive_known(ring: &KeyRing, document: &Document, known: impl Fn(Self) -> bool) -> Self {
        Self::hash_known(ring, &Self::parts(document), known)
    }

    fn parts(document: &Document) -> [&[u8]; 4] {
        [b"person\0", document.kind().as_str().as_bytes(), b"\0", document.number().as_bytes()]
    }

    fn derive_with(version: u8, key: &[u8; 32], document: &Document) -> Self {
        Self::hash_with(version, key, &Self::parts(document))
    }

    /// A key of this form of anything else, with the ring's active key. The first part says what it is of.
    pub(crate) fn hash(ring: &KeyRing, parts: &[&[u8]]) -> Self {
        Self::hash_with(ring.active_version(), ring.active_key(), parts)
    }

    /// The same under the key version under which it is known: the active one, else the highest, else again the active one.
    pub(crate) fn hash_known(ring: &KeyRing, parts: &[&[u8]], known: impl Fn(Self) -> bool) -> Self {
        let active = Self::hash(ring, parts);
        if !ring.has_others() || known(active) {
            return active;
        }
        let of = |version| Some(Self::hash_with(version, ring.key(version)?, parts));
        ring.other_versions().filter_map(of).find(|key| known(*key)).unwrap_or(active)
    }

    fn hash_with(version: u8, key: &[u8; 32], parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(key);
        for part in parts {
            hasher.update(part);
        }
        let mut head = [0u8; 8];
        head.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        Self(u64::from_le_bytes(head) >> 4 | u64::from(version) << 60)
    }

    /// The key as stored in ClickHouse (`person_id UInt64`).
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// The key with this stored number, unless its version nibble is zero.
    pub const fn from_u64(number: u64) -> Option<Self> {
        if number >> 60 == 0 { None } else { Some(Self(number)) }
    }

    /// The version of the key that made it.
    pub const fn key_version(self) -> u8 {
        (self.0 >> 60) as u8
    }

    /// The text form, without allocation.
    pub fn to_hex(self) -> [u8; 16] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        std::array::from_fn(|i| DIGITS[(self.0 >> (60 - 4 * i) & 15) as usize])
    }
}

impl FromStr for PersonKey {
    type Err = PersonKeyError;

    fn from_str(text: &str) -> Result<Self, PersonKeyError> {
        let lower_hex = |b: &u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 16 || !text.as_bytes().iter().all(lower_hex) {
            return Err(PersonKeyError);
        }
        u64::from_str_radix(text, 16).ok().and_then(Self::from_u64).ok_or(PersonKeyError)
    }
}

impl fmt::Display for PersonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Debug output ends in logs, and no log may say where a person was: it shows the key version only.
impl fmt::Debug for PersonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PersonKey(v{})", self.key_version())
    }
}

impl Serialize for PersonKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hex = self.to_hex();
        serializer.serialize_str(std::str::from_utf8(&hex).map_err(serde::ser::Error::custom)?)
    }
}

impl<'de> Deserialize<'de> for PersonKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Hex;
        impl serde::de::Visitor<'_> for Hex {
            type Value = PersonKey;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a person key of 16 lower-case hex digits")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<PersonKey, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Hex)
    }
}

impl JsonSchema for PersonKey {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PersonKey".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[1-9a-f][0-9a-f]{15}$"})
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::DocumentType;

    fn ring() -> KeyRing {
        let (a, b) = ("0a".repeat(32), "0b".repeat(32));
        KeyRing::try_parse(&format!("1:{a}\n2:{b}")).expect("valid")
    }

    #[test]
    fn the_key_depends_on_type_number_and_key_version() {
        let ring = ring();
        let passport = Document::try_new(DocumentType::Passport, "E12345678").expect("valid");
        let permit = Document::try_new(DocumentType::Permit, "E12345678").expect("valid");
        let key = PersonKey::derive(&ring, &passport);
        assert_eq!(key.key_version(), 2);
        assert_eq!(PersonKey::derive(&ring, &passport), key);
        assert_ne!(PersonKey::derive(&ring, &permit), key);
        let old = PersonKey::derive_version(&ring, 1, &passport).expect("in the ring");
        assert_ne!(old.to_u64() << 4, key.to_u64() << 4);
        assert_eq!(PersonKey::derive_version(&ring, 3, &passport), None);
    }

    #[test]
    fn who_is_known_under_an_older_key_keeps_it_and_nobody_else_gets_it() {
        let keys = ["0a", "0b", "0c"].map(|byte| byte.repeat(32));
        let line = |version: usize| format!("{version}:{}\n", keys[version - 1]);
        let ring = |versions: &[usize]| {
            KeyRing::try_parse(&versions.iter().map(|version| line(*version)).collect::<String>()).expect("valid")
        };
        let passport = Document::try_new(DocumentType::Passport, "E12345678").expect("valid");
        let before = PersonKey::derive(&ring(&[1]), &passport);
        let all = ring(&[1, 3, 2]);
        let known_as = |known: &[u8]| {
            PersonKey::derive_known(&all, &passport, |key| known.contains(&key.key_version())).key_version()
        };
        assert_eq!(PersonKey::derive_known(&all, &passport, |key| key == before), before);
        assert_eq!((known_as(&[]), known_as(&[1]), known_as(&[1, 3]), known_as(&[1, 2, 3])), (2, 1, 3, 2));
        let alone = PersonKey::derive_known(&ring(&[1]), &passport, |_| panic!("asked with one key"));
        assert_eq!(alone, before);
        // Once the older key is gone, nobody is found under it.
        assert_eq!(PersonKey::derive_known(&ring(&[2]), &passport, |key| key == before).key_version(), 2);
    }

    #[test]
    fn debug_output_tells_nothing_about_the_person() {
        let key: PersonKey = "1123456789abcdef".parse().expect("valid");
        assert_eq!(format!("{key:?}"), "PersonKey(v1)");
    }

    proptest! {
        #[test]
        fn text_and_number_forms_round_trip(number in 1u64 << 60..) {
            let key = PersonKey::from_u64(number).expect("version above zero");
            prop_assert_eq!(key.to_string().parse(), Ok(key));
            prop_assert_eq!(key.to_string().into_bytes(), key.to_hex().to_vec());
            let json = serde_json::to_string(&key).expect("serialises");
            prop_assert_eq!(serde_json::from_str::<PersonKey>(&json).ok(), Some(key));
        }

        #[test]
        fn no_other_text_is_a_key(text in "\\PC{0,18}") {
            let valid = text.len() == 16 && !text.starts_with('0')
                && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            prop_assert_eq!(text.parse::<PersonKey>().is_ok(), valid);
        }
    }
}
