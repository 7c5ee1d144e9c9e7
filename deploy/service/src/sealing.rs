//! Encrypts what names a person: XChaCha20-Poly1305 (RFC 8439 with the 24-byte nonces of draft-irtf-cfrg-xchacha).
//!
//! Each text has a data key of its own, drawn anew, and only that key is encrypted under a key of the ring (an
//! envelope). So a ring can rotate: new keys seal, old ones still open, and [`rewrap`] brings sealed text under a new key
//! without touching the text.
//!
//! Sealed text is `VERSION.KEY.TEXT`, both parts in base64 with the nonce in front. The place that it belongs to goes
//! in as associated data: what was sealed for one record does not open as another one's.

use anyhow::{Context, bail};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305,
    aead::{Aead, Payload},
};
use schemas::KeyRing;

const NONCE_BYTES: usize = 24;
const KEY_BYTES: usize = 32;

/// Where sealed text belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<R> {
    /// What identifies the record, as bytes.
    pub record: R,
    /// The field of the record.
    pub field: &'static str,
}

/// The text is longer than the cipher takes: 256 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is too long to be sealed")]
pub struct SealError;

impl<R: AsRef<[u8]>> Place<R> {
    /// Two places have the same bytes only if they are the same; what `more` says is part of it.
    fn associated(&self, more: &[u8]) -> Vec<u8> {
        let record = self.record.as_ref();
        let lengths = [record.len() as u64, self.field.len() as u64].map(u64::to_le_bytes);
        [lengths.as_flattened(), record, self.field.as_bytes(), more].concat()
    }
}

/// Seals a text for a place, under a data key and nonces that are drawn anew.
///
/// # Errors
/// [`SealError`].
pub fn seal<R: AsRef<[u8]>>(keys: &KeyRing, place: Place<R>, text: &[u8]) -> Result<String, SealError> {
    let data_key: [u8; KEY_BYTES] = rand::random();
    let sealed = encrypt(&data_key, &place.associated(b"text"), text)?;
    Ok(format!("{}.{sealed}", wrap(keys, &place, &data_key)?))
}

/// Opens sealed text.
///
/// # Errors
/// When it is no sealed text, its key is not in the ring, or it was changed or sealed for another place.
pub fn open<R: AsRef<[u8]>>(keys: &KeyRing, place: Place<R>, sealed: &str) -> anyhow::Result<Vec<u8>> {
    let parts = Parts::read(sealed)?;
    decrypt(&parts.data_key(keys, &place)?, &place.associated(b"text"), parts.text)
}

/// The same text with its data key under the ring's active key; `None` when it is there already.
///
/// # Errors
/// As [`open`], but the text itself is not looked at.
pub fn rewrap<R: AsRef<[u8]>>(keys: &KeyRing, place: Place<R>, sealed: &str) -> anyhow::Result<Option<String>> {
    let parts = Parts::read(sealed)?;
    if parts.version == keys.active_version() {
        return Ok(None);
    }
    let wrapped = wrap(keys, &place, &parts.data_key(keys, &place)?)?;
    Ok(Some(format!("{wrapped}.{}", parts.text)))
}

/// The parts of sealed text, still encrypted.
struct Parts<'s> {
    version: u8,
    key: &'s str,
    text: &'s str,
}

impl<'s> Parts<'s> {
    fn read(sealed: &'s str) -> anyhow::Result<Self> {
        let mut parts = sealed.splitn(3, '.');
        let (Some(version), Some(key), Some(text)) = (parts.next(), parts.next(), parts.next()) else {
            bail!("not sealed text: expected VERSION.KEY.TEXT");
        };
        let version = version.parse().ok().context("not sealed text: expected VERSION.KEY.TEXT")?;
        Ok(Self { version, key, text })
    }

    fn data_key<R: AsRef<[u8]>>(&self, keys: &KeyRing, place: &Place<R>) -> anyhow::Result<[u8; KEY_BYTES]> {
        let key = keys.key(self.version).context("sealed with a key not in the ring")?;
        let data_key = decrypt(key, &place.associated(&[self.version]), self.key)?;
        data_key.try_into().ok().context("the data key does not have 32 bytes")
    }
}

fn wrap<R: AsRef<[u8]>>(keys: &KeyRing, place: &Place<R>, data_key: &[u8; KEY_BYTES]) -> Result<String, SealError> {
    let version = keys.active_version();
    Ok(format!("{version}.{}", encrypt(keys.active_key(), &place.associated(&[version]), data_key)?))
}

fn encrypt(key: &[u8; KEY_BYTES], associated: &[u8], text: &[u8]) -> Result<String, SealError> {
    let nonce: [u8; NONCE_BYTES] = rand::random();
    let payload = Payload { msg: text, aad: associated };
    let encrypted = XChaCha20Poly1305::new(key.into()).encrypt(&nonce.into(), payload).map_err(|_| SealError)?;
    Ok(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &encrypted].concat()))
}

fn decrypt(key: &[u8; KEY_BYTES], associated: &[u8], sealed: &str) -> anyhow::Result<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(sealed).ok().context("not sealed text: expected base64")?;
    let Some((nonce, encrypted)) = bytes.split_at_checked(NONCE_BYTES) else { bail!("sealed text is cut short") };
    let payload = Payload { msg: encrypted, aad: associated };
    let opened = XChaCha20Poly1305::new(key.into()).decrypt(nonce.into(), payload);
    opened.ok().context("sealed text was changed, or sealed for another place")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const PLACE: Place<Uuid> = Place { record: Uuid::from_u128(7), field: "responsible" };

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
            prop_assert_ne!(seal(&keys, PLACE, text.as_bytes()).expect("seals"), sealed, "keys and nonces of its own");
        }

        #[test]
        fn one_changed_character_is_found(at in 0usize..170, to in "[A-Za-z0-9_.-]") {
            let keys = ring(&[(1, "aa"), (2, "aa")]);
            let sealed = seal(&keys, PLACE, b"name and phone").expect("seals");
            let mut changed = sealed.clone();
            let at = at % sealed.len();
            changed.replace_range(at..=at, &to);
            prop_assert!(changed == sealed || open(&keys, PLACE, &changed).is_err());
        }

        #[test]
        fn a_place_is_no_other_place(a in "[ab]{0,3}", b in "[ab]{0,3}") {
            let place = |record: &str, field| Place { record: record.to_owned(), field }.associated(b"");
            prop_assert_eq!(place(&a, "a") == place(&b, "a"), a == b);
            prop_assert_ne!(place(&a, "a"), place(&b, "aa"));
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
        for broken in ["", "1", "1.", "1.AAAA", "1.AAAA.AAAA", "x.AAAA.AAAA", "99.AAAA.AAAA", "1.!.!"] {
            assert!(open(&old, PLACE, broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_rewrapped_text_opens_without_the_old_key_and_its_own_part_is_not_touched() {
        let (old, both, new) = (ring(&[(1, "aa")]), ring(&[(1, "aa"), (2, "bb")]), ring(&[(2, "bb")]));
        let sealed = seal(&old, PLACE, b"name").expect("seals");
        assert_eq!(rewrap(&old, PLACE, &sealed).expect("nothing to do"), None);
        let again = rewrap(&both, PLACE, &sealed).expect("opens").expect("rewrapped");
        assert_eq!(open(&new, PLACE, &again).expect("opens"), b"name");
        assert!(open(&old, PLACE, &again).is_err());
        assert_eq!(again.rsplit('.').next(), sealed.rsplit('.').next());
        assert!(rewrap(&new, PLACE, &sealed).is_err(), "without the old key it is not to be had");
        assert!(rewrap(&both, Place { field: "phone", ..PLACE }, &sealed).is_err());
    }
}
