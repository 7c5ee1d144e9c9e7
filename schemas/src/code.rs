//! The venue code: the short signed text behind the QR code on a poster.
//!
//! `K VVVVVVVV MMMMMMMM`: key version, venue and serial, keyed MAC; 17 characters of Crockford's Base32, all
//! of which a QR code stores in alphanumeric mode. A forged or mistyped code is refused without a look-up.

use std::fmt;

use crate::{KeyRing, VenueId};

/// Crockford's Base32: no I, L, O or U, so that a code can be read aloud and typed.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CODE_CHARS: usize = 17;
const BITS_PER_HALF: u32 = 40;

/// Why a text is not a venue code of this city.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
pub enum CodeError {
    /// Not 17 characters of the alphabet, nor a URL that ends in them.
    #[error("expected a venue code of 17 characters (0 to 9, A to Z without I, L, O, U), or its URL")]
    Form,
    /// The signature does not fit: mistyped or forged, or signed with a key that is not in the ring.
    #[error("this venue code is mistyped or forged: its signature does not fit")]
    Signature,
}

/// A venue code: the venue, and how often its code has been issued anew. A reissue raises the serial, which
/// revokes the older posters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VenueCode {
    /// The venue it stands for.
    pub venue: VenueId,
    /// Issue number; only the directory's current one is valid.
    pub serial: u8,
}

impl VenueCode {
    /// Signs the code with the ring's active key and writes it out.
    pub fn sign(self, ring: &KeyRing) -> SignedCode {
        let version = ring.active_version();
        let payload = self.payload();
        let mut text = [0; CODE_CHARS];
        text[0] = ALPHABET[usize::from(version)];
        write_half(&mut text[1..9], payload);
        write_half(&mut text[9..], mac(ring.active_key(), version, payload));
        SignedCode(text)
    }

    /// Reads a code, or a URL whose last path segment is one, and checks its signature.
    ///
    /// # Errors
    /// [`CodeError::Form`] when it cannot be a code, [`CodeError::Signature`] when nobody with a key wrote it.
    pub fn verify(text: &str, ring: &KeyRing) -> Result<Self, CodeError> {
        let text = text.trim();
        let code = text.rsplit('/').next().unwrap_or(text).as_bytes();
        if code.len() != CODE_CHARS {
            return Err(CodeError::Form);
        }
        let version = value_of(code[0]).ok_or(CodeError::Form)?;
        let payload = read_half(&code[1..9]).ok_or(CodeError::Form)?;
        let signature = read_half(&code[9..]).ok_or(CodeError::Form)?;
        let key = ring.key(version).ok_or(CodeError::Signature)?;
        if mac(key, version, payload) != signature {
            return Err(CodeError::Signature);
        }
        let venue = VenueId::try_from(payload >> 8).map_err(|_| CodeError::Signature)?;
        Ok(Self { venue, serial: (payload & 0xff) as u8 })
    }

    fn payload(self) -> u64 {
        u64::from(self.venue) << 8 | u64::from(self.serial)
    }
}

/// A signed code as text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SignedCode([u8; CODE_CHARS]);

impl fmt::Display for SignedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| fmt::Write::write_char(f, char::from(*b)))
    }
}

impl fmt::Debug for SignedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The first 40 bits of a keyed BLAKE3 hash: a guess succeeds once in 10^12, against a limited gateway.
fn mac(key: &[u8; 32], version: u8, payload: u64) -> u64 {
    let mut message = *b"venue-code\0\0\0\0\0\0\0\0\0\0";
    message[11] = version;
    message[12..].copy_from_slice(&payload.to_le_bytes());
    let mut head = [0u8; 8];
    head.copy_from_slice(&blake3::keyed_hash(key, &message).as_bytes()[..8]);
    u64::from_le_bytes(head) & ((1 << BITS_PER_HALF) - 1)
}

fn write_half(out: &mut [u8], value: u64) {
    for (i, byte) in out.iter_mut().rev().enumerate() {
        *byte = ALPHABET[(value >> (5 * i) & 31) as usize];
    }
}

fn read_half(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0, |value, byte| Some(value << 5 | u64::from(value_of(*byte)?)))
}

/// The value of a character as people type it: lower case, and I, L, O for the digits they look like.
fn value_of(byte: u8) -> Option<u8> {
    Some(VALUES[usize::from(byte)]).filter(|value| *value < NO_VALUE)
}

const NO_VALUE: u8 = 32;

/// The value of each byte; a code has seventeen, and each scan a code.
const VALUES: [u8; 256] = {
    let mut values = [NO_VALUE; 256];
    let mut value = 0;
    while value < NO_VALUE {
        let character = ALPHABET[value as usize];
        values[character as usize] = value;
        values[character.to_ascii_lowercase() as usize] = value;
        value += 1;
    }
    let alike = [(b'I', 1), (b'i', 1), (b'L', 1), (b'l', 1), (b'O', 0), (b'o', 0)];
    let mut at = 0;
    while at < alike.len() {
        values[alike[at].0 as usize] = alike[at].1;
        at += 1;
    }
    values
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ring(lines: &[(u8, &str)]) -> KeyRing {
        let text: String = lines.iter().map(|(v, byte)| format!("{v}:{}\n", byte.repeat(32))).collect();
        KeyRing::try_parse(&text).expect("valid")
    }

    proptest! {
        #[test]
        fn a_signed_code_reads_back_bare_or_in_a_url_or_typed(venue: u32, serial: u8) {
            let ring = ring(&[(1, "aa"), (9, "bb")]);
            let code = VenueCode { venue, serial };
            let text = code.sign(&ring).to_string();
            prop_assert_eq!(text.len(), 17);
            prop_assert_eq!(VenueCode::verify(&text, &ring), Ok(code));
            for [zero, one] in [["o", "l"], ["O", "L"], ["0", "i"], ["0", "I"]] {
                let typed = text.to_lowercase().replace('0', zero).replace('1', one);
                prop_assert_eq!(VenueCode::verify(&typed, &ring), Ok(code));
            }
            prop_assert_eq!(VenueCode::verify(&format!("HTTPS://CODE.EXAMPLE/V/{text}"), &ring), Ok(code));
        }

        #[test]
        fn one_wrong_character_is_refused(venue: u32, serial: u8, at in 0usize..17, to in 0usize..32) {
            let ring = ring(&[(1, "aa"), (2, "bb")]);
            let text = VenueCode { venue, serial }.sign(&ring).to_string();
            let mut wrong = text.clone().into_bytes();
            wrong[at] = ALPHABET[to];
            let wrong = String::from_utf8(wrong).expect("ascii");
            if wrong != text {
                prop_assert_eq!(VenueCode::verify(&wrong, &ring), Err(CodeError::Signature));
            }
        }

        #[test]
        fn any_other_text_is_an_error_and_never_a_panic(text in "\\PC{0,40}") {
            prop_assert!(VenueCode::verify(&text, &ring(&[(1, "aa")])).is_err());
        }
    }

    #[test]
    fn a_code_outlives_the_rotation_of_its_key_and_not_the_removal() {
        let code = VenueCode { venue: 7, serial: 0 };
        let text = code.sign(&ring(&[(1, "aa")])).to_string();
        assert_eq!(VenueCode::verify(&text, &ring(&[(1, "aa"), (2, "bb")])), Ok(code));
        assert_eq!(VenueCode::verify(&text, &ring(&[(2, "bb")])), Err(CodeError::Signature));
        assert_eq!(VenueCode::verify(&text, &ring(&[(1, "bb")])), Err(CodeError::Signature));
    }
}
