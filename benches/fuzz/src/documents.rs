//! Numbers of documents and organisations, held against the standards a second time, worked out in another way.
//!
//! The input is a text, read as the number of each kind.

use std::sync::LazyLock;

use chrono::Datelike;
use schemas::{Document, DocumentType, KeyRing, PersonKey, Tail, organisation::is_credit_code};

static RING: LazyLock<KeyRing> = LazyLock::new(|| super::ring(&[1, 2]));

/// Holds the input against the rules.
pub fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let kinds = [DocumentType::IdCard, DocumentType::Passport, DocumentType::Permit, DocumentType::Other];
    for kind in kinds {
        let taken = Document::try_new(kind, &text);
        let plain = plain(&text);
        let is_right = if kind == DocumentType::IdCard { is_id_card(&plain) } else { is_other(&plain) };
        assert_eq!(taken.is_ok(), is_right, "{} {text:?}", kind.as_str());
        match taken {
            Ok(document) => taken_document(&document, &plain),
            Err(error) => repeats_nothing(&error.to_string(), &plain),
        }
    }
    assert_eq!(is_credit_code(&text), is_organisation(&text), "{text:?}");
    if let Ok(key) = text.parse::<PersonKey>() {
        assert_eq!(key.to_string(), text);
        assert_eq!(PersonKey::from_u64(key.to_u64()), Some(key));
    }
}

/// What is taken is kept as it is normalised, stands for one person, and shows itself to nobody.
fn taken_document(document: &Document, plain: &str) {
    assert_eq!(document.number(), plain);
    let again = Document::try_new(document.kind(), document.number());
    assert_eq!(again.as_ref(), Ok(document), "normalising twice");
    repeats_nothing(&format!("{document:?}"), plain);
    let spelled: String = plain.chars().map(full_width).flat_map(|c| [c, ' ']).collect();
    let person = PersonKey::derive(&RING, document);
    let other = Document::try_new(document.kind(), &spelled);
    assert_eq!(other.map(|other| PersonKey::derive(&RING, &other)), Ok(person), "{spelled:?} is the same number");
    // Who has the document in hand can type its last four characters (S4).
    let tail = Tail::of(&RING, person, document);
    assert!(tail.is_some());
    let letters: Vec<char> = spelled.chars().filter(|c| !c.is_whitespace() && *c != full_width('-')).collect();
    let last_four: String = letters[letters.len().saturating_sub(4)..].iter().collect();
    for typed in [document.last_four().to_lowercase(), document.last_four(), last_four] {
        assert_eq!(Tail::of_typed(&RING, person, &typed), tail, "{typed:?}, the last four of {plain}");
    }
    if let Some(born) = document.birth_date() {
        assert_eq!(format!("{:04}{:02}{:02}", born.year(), born.month(), born.day()), plain[6..14]);
    }
}

fn repeats_nothing(message: &str, number: &str) {
    assert!(number.len() < 6 || !message.contains(number), "{message:?} repeats the number");
}

/// GB 11643: 17 digits, of which eight are a date, and a check character by ISO 7064 MOD 11-2, here by its recursive method.
fn is_id_card(number: &str) -> bool {
    let bytes = number.as_bytes();
    let [digits @ .., check] = bytes else { return false };
    if digits.len() != 17 || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let value = |range: std::ops::Range<usize>| digits[range].iter().fold(0u32, |n, d| n * 10 + u32::from(d - b'0'));
    let (year, month, day) = (value(6..10), value(10..12), value(12..14));
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(is_leap),
        _ => 0,
    };
    let product = digits.iter().fold(0, |product, digit| (product + u32::from(digit - b'0')) * 2 % 11);
    let check = match check {
        b'X' => 10,
        digit if digit.is_ascii_digit() => u32::from(digit - b'0'),
        _ => return false,
    };
    (1..=days).contains(&day) && (product + check) % 11 == 1
}

/// Passports, permits and what other systems use: 1 to 32 letters, digits and hyphens, not hyphens alone.
fn is_other(number: &str) -> bool {
    let is_known = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (1..=32).contains(&number.chars().count()) && number.chars().all(is_known) && !number.chars().all(|c| c == '-')
}

/// GB 32100: each character's value times 3 to the power of its place, in all a multiple of 31.
fn is_organisation(code: &str) -> bool {
    // Without I, O, S, V and Z, which look like others.
    let alphabet: Vec<char> = ('0'..='9').chain('A'..='Y').filter(|c| !"IOSV".contains(*c)).collect();
    let values: Option<Vec<usize>> = code.chars().map(|c| alphabet.iter().position(|known| *known == c)).collect();
    let Some(values) = values.filter(|values| values.len() == 18) else { return false };
    let weighted = |values: &[usize]| values.iter().rev().fold(0, |sum, value| (sum * 3 + value) % 31);
    (weighted(&values[..17]) + values[17]) % 31 == 0
}

/// Capitals, half width, without spaces.
fn plain(text: &str) -> String {
    let half_width = |c: char| match u32::from(c) {
        code @ 0xFF01..=0xFF5E => char::from_u32(code - 0xFEE0).unwrap_or(c),
        _ => c,
    };
    text.chars().filter(|c| !c.is_whitespace()).map(half_width).map(|c| c.to_ascii_uppercase()).collect()
}

/// As Chinese keyboards type it.
fn full_width(c: char) -> char {
    if c.is_ascii_graphic() { char::from_u32(u32::from(c) + 0xFEE0).unwrap_or(c) } else { c }
}
