//! Encrypts what names a person before it leaves the gateway: XChaCha20-Poly1305 (RFC 8439 with the 24-byte nonces of
//! draft-irtf-cfrg-xchacha), under the active key of a ring, so that keys can rotate.
//!
//! Sealed text is `VERSION.BASE64`, the nonce in front. The place that it belongs to goes in as associated data: what was
//! sealed for one application does not open as another one's.

use anyhow::{Context, bail};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305,
    aead::{Aead, Payload},
};
use schemas::KeyRing;
use uuid::Uuid;

use crate::error::IngestError;

const NONCE_BYTES: usize = 24;

/// Where sealed text belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The record.
    pub record: Uuid,
    /// The field of the record.
    pub field: &'static str,
}

impl Place {
    fn associated(self) -> Vec<u8> {
        [self.record.as_bytes(), self.field.as_bytes()].concat()
    }
}

/// Seals a text for a place, under a nonce that is drawn anew.
///
/// # Errors
/// [`IngestError::Internal`] when the text is longer than the cipher takes.
pub fn seal(keys: &KeyRing, place: Place, text: &[u8]) -> Result<String, IngestError> {
    let nonce: [u8; NONCE_BYTES] = rand::random();
    let payload = Payload { msg: text, aad: &place.associated() };
    let cipher = XChaCha20Poly1305::new(keys.active_key().into());
    let encrypted = cipher.encrypt(&nonce.into(), payload).map_err(|_| IngestError::Internal)?;
    let bytes = [nonce.as_slice(), &encrypted].concat();
    Ok(format!("{}.{}", keys.active_version(), URL_SAFE_NO_PAD.encode(bytes)))
}

/// Opens sealed text.
///
/// # Errors
/// When it is no sealed text, its key is not in the ring, or it was changed or sealed for another place.
pub fn open(keys: &KeyRing, place: Place, sealed: &str) -> anyhow::Result<Vec<u8>> {
    let (version, text) = sealed.split_once('.').context("not sealed text: expected VERSION.BASE64")?;
    let key =
        version.parse().ok().and_then(|version| keys.key(version)).context("sealed with a key not in the ring")?;
    let bytes = URL_SAFE_NO_PAD.decode(text).context("not sealed text: expected VERSION.BASE64")?;
    let Some((nonce, encrypted)) = bytes.split_at_checked(NONCE_BYTES) else { bail!("sealed text is cut short") };
    let payload = Payload { msg: encrypted, aad: &place.associated() };
    let opened = XChaCha20Poly1305::new(key.into()).decrypt(nonce.into(), payload);
    opened.ok().context("sealed text was changed, or sealed for another place")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACE: Place = Place { record: Uuid::from_u128(7), field: "responsible" };

    fn ring(lines: &[(u8, &str)]) -> KeyRing {
        let text: String = lines.iter().map(|(v, byte)| format!("{v}:{}\n", byte.repeat(32))).collect();
        KeyRing::try_parse(&text).expect("valid")
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_and_shows_nothing(text in "\\PC{4,40}") {
            let keys = ring(&[(1, "aa")]);
            let sealed = seal(&keys, PLACE, text.as_bytes()).expect("seals");
            prop_assert!(!sealed.contains(&text));
            prop_assert_eq!(open(&keys, PLACE, &sealed).expect("opens"), text.as_bytes());
            prop_assert_ne!(seal(&keys, PLACE, text.as_bytes()).expect("seals"), sealed, "a nonce of its own");
        }

        #[test]
        fn one_changed_character_is_found(at in 2usize..60, to in "[A-Za-z0-9_-]") {
            let keys = ring(&[(1, "aa")]);
            let sealed = seal(&keys, PLACE, b"name and phone").expect("seals");
            let mut changed = sealed.clone();
            changed.replace_range(at..=at, &to);
            prop_assert!(changed == sealed || open(&keys, PLACE, &changed).is_err());
        }
    }

    #[test]
    fn it_opens_only_where_it_belongs_and_while_its_key_is_there() {
        let old = ring(&[(1, "aa")]);
        let sealed = seal(&old, PLACE, b"name").expect("seals");
        assert!(open(&ring(&[(1, "aa"), (2, "bb")]), PLACE, &sealed).is_ok());
        assert!(open(&ring(&[(2, "bb")]), PLACE, &sealed).is_err());
        assert!(open(&ring(&[(1, "bb")]), PLACE, &sealed).is_err());
        assert!(open(&old, Place { record: Uuid::from_u128(8), ..PLACE }, &sealed).is_err());
        assert!(open(&old, Place { field: "phone", ..PLACE }, &sealed).is_err());
        for broken in ["", "1", "1.", "1.AAAA", "x.AAAA", "99.AAAA", "1.!"] {
            assert!(open(&old, PLACE, broken).is_err(), "{broken}");
        }
    }
}
