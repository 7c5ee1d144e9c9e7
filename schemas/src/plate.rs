//! Number plates of lorries: checked and normalised here, hashed to a [`PlateKey`], and sealed wherever they are kept.
//!
//! The types print no plate: not in errors, not in debug output.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{KeyRing, PersonKey, document::normalise, person::PersonKeyError};

/// The provinces' characters (GA 36-2018, table of abbreviations).
const PROVINCES: &str = "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新";
/// What may stand for the last character of an ordinary plate: trailer, learner, police, consulate.
const ENDINGS: &str = "挂学警领";
/// The same on plates of Guangdong for lorries from Hong Kong and Macao, which begin with 粤Z.
const BORDER_ENDINGS: &str = "港澳";
/// Bytes of the longest text that is looked at.
const MAX_BYTES: usize = 64;
/// Characters of an ordinary plate after province and letter.
const ORDINARY: usize = 5;
/// The same of a new-energy plate.
const NEW_ENERGY: usize = 6;

/// A text that is no plate. The text itself is never part of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a number plate of GA 36-2018: a province's character, a letter, then 5 characters, or 6 of a new-energy \
     vehicle; digits and letters but I and O, the last one may be 挂, 学, 警 or 领, after 粤Z 港 or 澳"
)]
pub struct PlateError;

/// A checked plate: upper case, half width, without spaces, hyphens and the dot behind the letter.
#[derive(Clone, PartialEq, Eq)]
pub struct Plate(String);

/// What stands for a vehicle on Kafka and in ClickHouse: a keyed hash of its plate, with key version, of the form of a
/// [`PersonKey`]. Without the key nobody can go from a plate to it, and with it nobody back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct PlateKey(PersonKey);

impl Plate {
    /// Normalises and checks a plate.
    ///
    /// # Errors
    /// [`PlateError`].
    pub fn try_new(text: &str) -> Result<Self, PlateError> {
        // Nothing that is much longer can be one, and it is not worth being gone through.
        if text.len() > MAX_BYTES {
            return Err(PlateError);
        }
        let plate: String = normalise(text).chars().filter(|c| !matches!(c, '-' | '·' | '•' | '.')).collect();
        let mut characters = plate.chars();
        let province = characters.next().is_some_and(|c| PROVINCES.contains(c));
        let letter = characters.next().filter(|c| c.is_ascii_uppercase() && *c != 'I').ok_or(PlateError)?;
        if province && is_serial(characters.as_str(), plate.starts_with('粤') && letter == 'Z') {
            Ok(Self(plate))
        } else {
            Err(PlateError)
        }
    }

    /// The normalised plate. For hashing and encryption only: it goes to no log, message or answer.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether this may follow on province and letter.
fn is_serial(serial: &str, crosses_border: bool) -> bool {
    let in_order = |c: char| c.is_ascii_digit() || c.is_ascii_uppercase() && !matches!(c, 'I' | 'O');
    let count = serial.chars().count();
    let endings = if crosses_border { BORDER_ENDINGS } else { ENDINGS };
    match serial.strip_suffix(|c| endings.contains(c)) {
        Some(rest) => count == ORDINARY && rest.chars().all(in_order),
        None if crosses_border => false,
        None if count == NEW_ENERGY => serial.chars().all(in_order) && is_new_energy(serial.as_bytes()),
        None => count == ORDINARY && serial.chars().all(in_order),
    }
}

/// Small vehicles have the letter of their drive first, and another letter may follow; large ones, such as lorries, have
/// it last. A to E are electric, F to K are not entirely (GA 36-2018, amended 2021).
fn is_new_energy(serial: &[u8]) -> bool {
    let drive = |byte: &u8| matches!(byte, b'A'..=b'H' | b'J' | b'K');
    let digits = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_digit);
    match serial {
        [first, _, rest @ ..] if drive(first) => digits(rest),
        [rest @ .., last] => drive(last) && digits(rest),
        [] => false,
    }
}

/// Debug output ends in logs.
impl fmt::Debug for Plate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plate")
    }
}

impl PlateKey {
    /// Derives the key of a vehicle with the ring's active key.
    pub fn derive(ring: &KeyRing, plate: &Plate) -> Self {
        Self(PersonKey::hash(ring, &[b"plate\0", plate.as_str().as_bytes()]))
    }

    /// Derives the key under which a vehicle is known, as [`PersonKey::derive_known`] does of a person.
    pub fn derive_known(ring: &KeyRing, plate: &Plate, known: impl Fn(Self) -> bool) -> Self {
        Self(PersonKey::hash_known(ring, &[b"plate\0", plate.as_str().as_bytes()], |key| known(Self(key))))
    }

    /// The key as stored in ClickHouse (`vehicle_id UInt64`).
    pub const fn to_u64(self) -> u64 {
        self.0.to_u64()
    }

    /// The key with this stored number, unless its version nibble is zero.
    pub const fn from_u64(number: u64) -> Option<Self> {
        match PersonKey::from_u64(number) {
            Some(key) => Some(Self(key)),
            None => None,
        }
    }
}

impl FromStr for PlateKey {
    type Err = PersonKeyError;

    fn from_str(text: &str) -> Result<Self, PersonKeyError> {
        text.parse().map(Self)
    }
}

impl fmt::Display for PlateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Debug output ends in logs, and no log may say where a vehicle was: it shows the key version only.
impl fmt::Debug for PlateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlateKey(v{})", self.0.key_version())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Document, DocumentType};

    fn normal(text: &str) -> Option<String> {
        Plate::try_new(text).ok().map(|plate| plate.as_str().to_owned())
    }

    #[test]
    fn plates_of_every_kind_are_taken_in_any_width_and_case() {
        for plate in [
            "豫B12345",
            "豫BA123B",
            "豫B1234挂",
            "豫B1234学",
            "豫B1234警",
            "沪A0023领",
            "粤Z1234港",
            "粤ZABC1澳",
            "豫B12345D",
            "豫BD12345",
            "豫BDA2345",
            "豫B12345F",
            "豫O12345",
        ] {
            assert_eq!(normal(plate).as_deref(), Some(plate));
        }
        for (typed, plate) in [
            ("豫b·12345", "豫B12345"),
            (" 豫Ｂ１２３４５ ", "豫B12345"),
            ("豫b-1234 挂", "豫B1234挂"),
            ("豫B•d12345", "豫BD12345"),
        ] {
            assert_eq!(normal(typed).as_deref(), Some(plate), "{typed}");
        }
    }

    #[test]
    fn what_is_no_plate_is_refused() {
        for text in [
            "",
            "B12345",
            "豫",
            "豫B",
            "豫B1234",
            "豫B123456",
            "豫1B2345",
            "豫I12345",
            "豫B1234I",
            "豫BO2345",
            "中B12345",
            "豫B1234港",
            "粤B1234澳",
            "粤Z12345",
            "粤Z1234挂",
            "豫B12345挂",
            "豫B挂1234",
            "豫BL12345",
            "豫BDAB345",
            "豫B1234DD",
            "豫B12345DD",
        ] {
            assert_eq!(normal(text), None, "{text}");
        }
    }

    #[test]
    fn a_key_is_the_vehicles_and_debug_output_tells_nothing() {
        let ring = KeyRing::try_parse(&format!("1:{}", "cd".repeat(32))).expect("valid");
        let plate = |text| Plate::try_new(text).expect("valid");
        let key = PlateKey::derive(&ring, &plate("豫B12345"));
        assert_eq!(key, PlateKey::derive(&ring, &plate("豫b 12345")));
        assert_ne!(key, PlateKey::derive(&ring, &plate("豫B12346")));
        assert_eq!(key.to_string().parse(), Ok(key));
        let rotated = KeyRing::try_parse(&format!("1:{}\n2:{}", "cd".repeat(32), "ab".repeat(32))).expect("valid");
        let known = PlateKey::derive_known(&rotated, &plate("豫B12345"), |known| known == key);
        assert_eq!(known, key, "a lorry keeps its key while the ring rotates");
        assert_ne!(PlateKey::derive_known(&rotated, &plate("豫B12345"), |_| false), key);
        assert_eq!(PlateKey::from_u64(key.to_u64()), Some(key));
        assert_eq!((format!("{key:?}"), format!("{:?}", plate("豫B12345"))), ("PlateKey(v1)".into(), "Plate".into()));
        // A person with the same text as a number is another key.
        let person = Document::try_new(DocumentType::Other, "B12345").expect("valid");
        assert_ne!(PersonKey::derive(&ring, &person).to_u64(), key.to_u64());
    }

    proptest! {
        #[test]
        fn a_normalised_plate_stays_as_it_is_and_no_text_panics(text in "[豫粤沪]?[A-Za-zＡ-Ｚ][0-9A-Za-z·挂港澳 ]{0,8}|\\PC{0,40}") {
            if let Some(plate) = normal(&text) {
                prop_assert_eq!(normal(&plate), Some(plate.clone()));
                prop_assert!((7..=8).contains(&plate.chars().count()));
            }
        }
    }
}
