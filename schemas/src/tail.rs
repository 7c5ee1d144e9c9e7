//! What the gateway keeps of a document's last four characters, to compare with what a person types (S4, question 05).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Document, KeyRing, PersonKey, document::normalise};

/// 14 bits of a keyed BLAKE3 hash over the person and the last four characters of the document.
///
/// An identity card's last four characters are three digits and a check character, which tell some 10,000 people apart:
/// with 14 bits a guess that is wrong passes once in 16,384 times, about as often as a guess is right. More bits would
/// cost memory for every person of the city and stop nobody.
///
/// Comparing two of them is one machine instruction on hashes, so its time tells nothing of the characters.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Tail(u16);

/// How many bits it has.
const BITS: u32 = 14;
/// How many characters are asked for.
const CHARS: usize = 4;

impl Tail {
    /// The tail of a person's document.
    ///
    /// Returns `None` when the ring does not have the key that made the person's key.
    pub fn of(ring: &KeyRing, person: PersonKey, document: &Document) -> Option<Self> {
        Self::derive(ring, person, &document.last_four())
    }

    /// The tail that typed characters stand for, in whatever width and case.
    ///
    /// Returns `None` unless they are one to four letters or digits, or when the ring lacks the person's key. A hyphen is
    /// refused rather than left out: what is left would be taken for a wrong guess.
    pub fn of_typed(ring: &KeyRing, person: PersonKey, typed: &str) -> Option<Self> {
        let typed = normalise(typed.get(..typed.len().min(8 * CHARS))?);
        let in_order = (1..=CHARS).contains(&typed.len()) && typed.bytes().all(|b| b.is_ascii_alphanumeric());
        if in_order { Self::derive(ring, person, &typed) } else { None }
    }

    fn derive(ring: &KeyRing, person: PersonKey, characters: &str) -> Option<Self> {
        let mut hasher = blake3::Hasher::new_keyed(ring.key(person.key_version())?);
        // The same four characters of two people have nothing in common.
        hasher.update(b"tail\0").update(&person.to_u64().to_le_bytes()).update(characters.as_bytes());
        let hash = hasher.finalize();
        let head = u16::from_le_bytes([hash.as_bytes()[0], hash.as_bytes()[1]]);
        Some(Self(head >> (u16::BITS - BITS)))
    }

    /// The tail with this number, unless it has more bits.
    pub const fn from_u16(number: u16) -> Option<Self> {
        if number >> BITS == 0 { Some(Self(number)) } else { None }
    }

    /// Its number, below 16,384.
    pub const fn to_u16(self) -> u16 {
        self.0
    }
}

/// Debug output ends in logs: it shows nothing.
impl std::fmt::Debug for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tail")
    }
}

impl<'de> Deserialize<'de> for Tail {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u16::deserialize(deserializer)?;
        Self::from_u16(number).ok_or_else(|| serde::de::Error::custom("expected a number below 16384"))
    }
}

impl JsonSchema for Tail {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Tail".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "integer", "minimum": 0, "maximum": 16383})
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::DocumentType;

    fn ring() -> KeyRing {
        KeyRing::try_parse(&format!("1:{}\n2:{}", "0a".repeat(32), "0b".repeat(32))).expect("valid")
    }

    fn person(number: u64) -> PersonKey {
        PersonKey::from_u64(1 << 60 | number).expect("a version above zero")
    }

    #[test]
    fn what_is_typed_is_compared_in_any_width_and_case() {
        let card = Document::try_new(DocumentType::IdCard, "34052419800101001X").expect("valid");
        let tail = Tail::of(&ring(), person(1), &card);
        assert!(tail.is_some());
        for typed in ["001X", "001x", "００１Ｘ", " 001x "] {
            assert_eq!(Tail::of_typed(&ring(), person(1), typed), tail, "{typed}");
        }
        for typed in ["", "  ", "0001X", "00-X", "-", "中文中文", "001X001X001X001X001X001X001X001X001X001X"] {
            assert_eq!(Tail::of_typed(&ring(), person(1), typed), None, "{typed}");
        }
        let short = Document::try_new(DocumentType::Permit, "7").expect("valid");
        assert_eq!(Tail::of(&ring(), person(1), &short), Tail::of_typed(&ring(), person(1), "7"));
        let hyphens = Document::try_new(DocumentType::Passport, "E1234-567").expect("valid");
        assert_eq!(Tail::of_typed(&ring(), person(1), "4567"), Tail::of(&ring(), person(1), &hyphens));
        let other = KeyRing::try_parse(&format!("2:{}", "0a".repeat(32))).expect("valid");
        assert_eq!(Tail::of(&other, person(1), &card), None, "the key of the person's key is gone");
    }

    #[test]
    fn the_same_characters_of_two_people_have_nothing_in_common() {
        let card = Document::try_new(DocumentType::IdCard, "34052419800101001X").expect("valid");
        let tails: std::collections::HashSet<_> =
            (0..1000).filter_map(|number| Tail::of(&ring(), person(number), &card)).map(Tail::to_u16).collect();
        assert!(tails.len() > 950, "{}", tails.len());
    }

    #[test]
    fn wrong_guesses_pass_about_once_in_sixteen_thousand() {
        let right = Tail::of_typed(&ring(), person(1), "0012");
        let passing = (0..10_000).filter(|n| Tail::of_typed(&ring(), person(1), &format!("{n:04}")) == right).count();
        assert!((1..=5).contains(&passing), "{passing} of 10,000");
    }

    proptest! {
        #[test]
        fn numbers_round_trip_and_others_do_not_read(number in 0u16..) {
            let text = number.to_string();
            let read = serde_json::from_str::<Tail>(&text).ok();
            prop_assert_eq!(read.map(Tail::to_u16), (number < 16_384).then_some(number));
            prop_assert!(read.is_none_or(|tail| serde_json::to_string(&tail).ok() == Some(text)));
        }

        #[test]
        fn any_text_is_a_tail_or_none(typed in "\\PC{0,12}") {
            let _ = Tail::of_typed(&ring(), person(1), &typed);
        }
    }
}
