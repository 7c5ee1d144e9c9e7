//! Identity documents: their numbers are checked here, hashed in [`crate::person`], and go no further.
//!
//! The types print no number: not in errors, not in debug output.

use std::fmt;

use arrayvec::ArrayString;
use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Longest number of a document that is not an identity card, in characters.
const MAX_NUMBER_CHARS: usize = 32;

/// Which document identifies the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DocumentType {
    /// Resident identity card, 18 characters (GB 11643).
    IdCard,
    /// A passport of any country.
    Passport,
    /// A travel or residence permit (Hong Kong, Macao, Taiwan, foreign residents).
    Permit,
    /// An identifier of another system, for imports of records that carry no document.
    Other,
}

impl DocumentType {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IdCard => "id_card",
            Self::Passport => "passport",
            Self::Permit => "permit",
            Self::Other => "other",
        }
    }
}

/// What is wrong with a document number. The number itself is never part of the message.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
pub enum DocumentError {
    /// Not 18 characters, or other than digits and a final X.
    #[error("expected 17 digits and a check character (0 to 9 or X)")]
    IdCardForm,
    /// The birth date inside the number does not exist.
    #[error("the birth date in the number (characters 7 to 14) is not a date")]
    IdCardBirthDate,
    /// The check character does not fit (GB 11643, ISO 7064 MOD 11-2).
    #[error("the check character (the last one) does not fit the others")]
    IdCardCheck,
    /// Not 1 to 32 letters, digits and hyphens, or hyphens alone.
    #[error("expected 1 to 32 letters, digits or hyphens, not hyphens alone")]
    NumberForm,
}

/// A checked document: type and normalised number (upper case, no spaces, half width).
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    kind: DocumentType,
    number: ArrayString<MAX_NUMBER_CHARS>,
}

impl Document {
    /// Normalises and checks a number as its type asks.
    ///
    /// # Errors
    /// When the number does not have the form of its type, or its check character is wrong.
    pub fn try_new(kind: DocumentType, number: &str) -> Result<Self, DocumentError> {
        let (form, check): (_, fn(&str) -> _) = match kind {
            DocumentType::IdCard => (DocumentError::IdCardForm, check_id_card),
            DocumentType::Passport | DocumentType::Permit | DocumentType::Other => {
                (DocumentError::NumberForm, check_other)
            }
        };
        let mut normal = ArrayString::new();
        normal_chars(number).try_for_each(|c| normal.try_push(c)).map_err(|_| form)?;
        check(&normal)?;
        Ok(Self { kind, number: normal })
    }

    /// The type of the document.
    pub const fn kind(&self) -> DocumentType {
        self.kind
    }

    /// The birth date that an identity card's number holds (GB 11643); other documents hold none.
    pub fn birth_date(&self) -> Option<NaiveDate> {
        if self.kind == DocumentType::IdCard { birth_date(&self.number) } else { None }
    }

    /// The last four letters or digits of the number, which later scans are confirmed with (S4); fewer, if it has no more.
    pub fn last_four(&self) -> String {
        let plain: Vec<char> = self.number.chars().filter(char::is_ascii_alphanumeric).collect();
        plain[plain.len().saturating_sub(4)..].iter().collect()
    }

    /// The normalised number. For hashing and encryption only: it goes to no log, message or answer.
    pub fn number(&self) -> &str {
        &self.number
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({})", self.kind.as_str())
    }
}

/// The check character of the first 17 digits of an identity card (GB 11643-1999, ISO 7064 MOD 11-2).
///
/// Returns `None` unless given exactly 17 ASCII digits.
pub fn id_card_check(digits: &str) -> Option<char> {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECK: &[u8; 11] = b"10X98765432";
    if digits.len() != 17 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let sum: u32 = digits.bytes().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    Some(char::from(CHECK[(sum % 11) as usize]))
}

fn check_id_card(number: &str) -> Result<(), DocumentError> {
    let form = number.is_ascii() && number.len() == 18;
    let (digits, check) = if form { number.split_at(17) } else { return Err(DocumentError::IdCardForm) };
    let expected = id_card_check(digits).ok_or(DocumentError::IdCardForm)?;
    if !check.bytes().all(|b| b.is_ascii_digit() || b == b'X') {
        return Err(DocumentError::IdCardForm);
    }
    birth_date(digits).ok_or(DocumentError::IdCardBirthDate)?;
    if check.chars().eq([expected]) { Ok(()) } else { Err(DocumentError::IdCardCheck) }
}

/// Year, month and day in an identity card's number.
fn birth_date(number: &str) -> Option<NaiveDate> {
    let (year, month, day) = (number.get(6..10)?, number.get(10..12)?, number.get(12..14)?);
    NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
}

fn check_other(number: &str) -> Result<(), DocumentError> {
    let fits = number.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && number.bytes().any(|b| b != b'-');
    if fits { Ok(()) } else { Err(DocumentError::NumberForm) }
}

/// Upper case, no spaces, and full-width characters (as Chinese keyboards type them) made half width.
pub(crate) fn normalise(number: &str) -> String {
    // It gets no longer, and is told so: a text that is collected grows in steps.
    let mut normal = String::with_capacity(number.len());
    normal.extend(normal_chars(number));
    normal
}

fn normal_chars(number: &str) -> impl Iterator<Item = char> {
    number.chars().filter(|c| !c.is_whitespace()).map(|c| {
        let narrow = match c {
            '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
            _ => c,
        };
        narrow.to_ascii_uppercase()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id_card(number: &str) -> Result<(), DocumentError> {
        Document::try_new(DocumentType::IdCard, number).map(|_| ())
    }

    /// The example of GB 11643-1999 itself: 34052419800101001X.
    #[test]
    fn the_example_of_the_standard_is_valid_however_it_is_typed() {
        for text in [
            "34052419800101001X",
            "34052419800101001x",
            " 340524 19800101 001X",
            "３４０５２４１９８００１０１００１Ｘ",
        ] {
            assert_eq!(id_card(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn each_fault_has_its_own_message() {
        assert_eq!(id_card("3405241980010100"), Err(DocumentError::IdCardForm));
        assert_eq!(id_card("34052419800101001Y"), Err(DocumentError::IdCardForm));
        assert_eq!(id_card("340524198001010016"), Err(DocumentError::IdCardCheck));
        assert_eq!(id_card("340524198013010017"), Err(DocumentError::IdCardBirthDate));
        let other = |n: &str| Document::try_new(DocumentType::Passport, n).map(|_| ());
        assert_eq!(other(""), Err(DocumentError::NumberForm));
        assert_eq!(other(&"A".repeat(33)), Err(DocumentError::NumberForm));
        assert_eq!(other("E 1234-567"), Ok(()));
        assert_eq!(other("--"), Err(DocumentError::NumberForm));
    }

    #[test]
    fn hyphens_are_not_among_the_last_four() {
        let last_four = |n: &str| Document::try_new(DocumentType::Passport, n).expect("valid").last_four();
        assert_eq!(last_four("E1234-567"), "4567");
        assert_eq!(last_four("12-"), "12");
    }

    #[test]
    fn an_identity_card_holds_a_birth_date_and_a_passport_does_not() {
        let born = |kind| Document::try_new(kind, "34052419800101001X").expect("valid").birth_date();
        assert_eq!(born(DocumentType::IdCard), NaiveDate::from_ymd_opt(1980, 1, 1));
        assert_eq!(born(DocumentType::Passport), None);
    }

    #[test]
    fn debug_output_has_no_number() {
        let document = Document::try_new(DocumentType::IdCard, "34052419800101001X").expect("valid");
        assert_eq!(format!("{document:?}"), "Document(id_card)");
    }

    proptest! {
        /// ISO 7064 MOD 11-2 finds every single wrong digit and every swap of neighbours.
        #[test]
        fn one_wrong_digit_or_a_swap_is_found(serial in 0u32..1000, day in 1u32..29, at in 0usize..17, to in 0u8..10) {
            let digits = format!("340524198001{day:02}{serial:03}");
            let valid = format!("{digits}{}", id_card_check(&digits).expect("17 digits"));
            prop_assert_eq!(id_card(&valid), Ok(()));
            let mut wrong = valid.clone().into_bytes();
            wrong[at] = b'0' + to;
            let wrong = String::from_utf8(wrong).expect("ascii");
            prop_assert_eq!(id_card(&wrong).is_ok(), wrong == valid);
            let mut swapped = valid.clone().into_bytes();
            if at < 16 { swapped.swap(at, at + 1); }
            let swapped = String::from_utf8(swapped).expect("ascii");
            prop_assert_eq!(id_card(&swapped).is_ok(), swapped == valid);
        }
    }
}
