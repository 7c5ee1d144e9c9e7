//! Venue codes: what is signed reads back, and nothing else is taken.
//!
//! The input is a text that claims to be a code; or, after a zero byte, venue and serial of one that is signed, and pairs of
//! place and character that are changed in it.

use std::sync::LazyLock;

use schemas::{KeyRing, VenueCode};

/// Keys of two versions; the second one signs.
static RING: LazyLock<KeyRing> = LazyLock::new(|| super::ring(&[1, 9]));
/// Each of them alone, to sign again with.
static ALONE: LazyLock<[(char, KeyRing); 2]> = LazyLock::new(|| [('1', super::ring(&[1])), ('9', super::ring(&[9]))]);

/// Holds the input against the rules.
pub fn check(input: &[u8]) {
    match input {
        [0, v0, v1, v2, v3, serial, changes @ ..] => {
            let code = VenueCode { venue: u32::from_le_bytes([*v0, *v1, *v2, *v3]), serial: *serial };
            changed(code, changes);
        }
        _ => claimed(&String::from_utf8_lossy(input)),
    }
}

/// A text is taken only if it is, as people write it, what a key of the ring signs for the very code that it gives.
fn claimed(text: &str) {
    let Ok(code) = VenueCode::verify(text, &RING) else { return };
    let written = as_printed(text.trim().rsplit('/').next().unwrap_or_default());
    let is_signed =
        ALONE.iter().any(|(version, ring)| written.starts_with(*version) && written == code.sign(ring).to_string());
    assert!(is_signed, "{text:?} is taken for {code:?}, which nobody signed");
}

/// A signed code with changes is taken only where they change nothing but the way of writing.
fn changed(code: VenueCode, changes: &[u8]) {
    let signed = code.sign(&RING).to_string();
    assert_eq!(VenueCode::verify(&signed, &RING), Ok(code));
    assert_eq!(VenueCode::verify(&format!("HTTPS://CODE.EXAMPLE/V/{signed}"), &RING), Ok(code));
    let mut text: Vec<char> = signed.chars().collect();
    for change in changes.chunks_exact(2) {
        let place = usize::from(change[0]) % text.len();
        text[place] = char::from(change[1]);
    }
    let text: String = text.into_iter().collect();
    // A character that ends the text, or begins a path, makes another text of it; `claimed` is about those.
    if !text.contains('/') && !text.contains(char::is_whitespace) {
        let is_same = as_printed(&text) == signed;
        assert_eq!(VenueCode::verify(&text, &RING).is_ok(), is_same, "{text:?}, signed as {signed}");
    }
    claimed(&text);
}

/// What is read aloud or typed, as it is printed: capitals, and no letter that looks like a digit.
fn as_printed(text: &str) -> String {
    let printed = |c: char| match c.to_ascii_uppercase() {
        'I' | 'L' => '1',
        'O' => '0',
        other => other,
    };
    text.chars().map(printed).collect()
}
