//! The public keys that tokens are verified with: a JWKS (RFC 7517) of Ed25519 keys (RFC 8037), each with a `kid`.

use std::{collections::HashMap, path::Path};

use anyhow::{Context, bail, ensure};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// A public key as a JWKS has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PublicKey {
    /// Always `OKP`.
    kty: String,
    /// Always `Ed25519`.
    crv: String,
    /// Its name, which tokens repeat in their head.
    pub kid: String,
    /// The key.
    x: String,
    /// Always `EdDSA`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
    /// Always `sig`.
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    usage: Option<String>,
    /// The private part, which has no place here.
    #[serde(default, skip_serializing)]
    d: Option<serde::de::IgnoredAny>,
}

/// A JWKS file.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Jwks {
    keys: Vec<PublicKey>,
}

/// The keys by name.
pub struct KeySet {
    keys: HashMap<String, Vec<u8>>,
}

/// Debug output shows the names only.
impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.keys.keys()).finish()
    }
}

impl PublicKey {
    /// A key, in base64url, and its name.
    pub(super) fn new(kid: &str, x: &str) -> Self {
        let text = |text: &str| text.to_owned();
        Self {
            kty: text("OKP"),
            crv: text("Ed25519"),
            kid: text(kid),
            x: text(x),
            alg: Some(text("EdDSA")),
            usage: Some(text("sig")),
            d: None,
        }
    }

    /// The key itself, if it is one for tokens.
    fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        ensure!(self.d.is_none(), "it has its private part `d`, which must stay with whoever issues tokens");
        ensure!(self.kty == "OKP" && self.crv == "Ed25519", "expected `kty` OKP and `crv` Ed25519");
        ensure!(self.alg.as_deref().is_none_or(|alg| alg == "EdDSA"), "expected `alg` EdDSA");
        ensure!(self.usage.as_deref().is_none_or(|usage| usage == "sig"), "expected `use` sig");
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&self.x).context("`x` is not base64url")?;
        ensure!(bytes.len() == KEY_BYTES, "expected {KEY_BYTES} bytes in `x`");
        Ok(bytes)
    }
}

impl KeySet {
    /// Reads a JWKS; one that has no key lets nobody in.
    ///
    /// # Errors
    /// When it is no JWKS, or any of its keys cannot be used.
    pub fn try_parse(text: &str) -> anyhow::Result<Self> {
        let mut keys = HashMap::new();
        for key in parse(text)? {
            let bytes = key.bytes()?;
            keys.insert(key.kid, bytes);
        }
        Ok(Self { keys })
    }

    /// The key of this name.
    pub(super) fn get(&self, kid: &str) -> Option<&[u8]> {
        self.keys.get(kid).map(Vec::as_slice)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none, so that nobody is let in.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The text of a JWKS with one key more, and without those that are retired. `text` is the JWKS so far, if any.
    ///
    /// # Errors
    /// When it is no JWKS, the new name is taken, or a retired one is not there.
    pub fn rotate(text: Option<&str>, add: Option<PublicKey>, retire: &[String]) -> anyhow::Result<String> {
        let mut keys = text.map(parse).transpose()?.unwrap_or_default();
        for kid in retire {
            let before = keys.len();
            keys.retain(|key| key.kid != *kid);
            ensure!(keys.len() < before, "there is no key `{kid}` to retire");
        }
        if let Some(key) = add {
            ensure!(keys.iter().all(|other| other.kid != key.kid), "there is a key `{}` already", key.kid);
            keys.push(key);
        }
        Ok(serde_json::to_string_pretty(&Jwks { keys })? + "\n")
    }
}

/// Reads the file of a JWKS.
///
/// # Errors
/// When it cannot be read or used; the message names it.
pub(super) fn read(path: &Path) -> anyhow::Result<(String, KeySet)> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the token keys in {shown}"))?;
    let keys = KeySet::try_parse(&text).with_context(|| format!("the token keys in {shown}"))?;
    Ok((text, keys))
}

fn parse(text: &str) -> anyhow::Result<Vec<PublicKey>> {
    // serde's own words repeat what stands there, which might be a private key put into the wrong place.
    let Ok(Jwks { keys }) = serde_json::from_str(text) else {
        bail!("not a JWKS: expected {{\"keys\": […]}} with `kty`, `crv`, `kid` and `x` for each");
    };
    for (at, key) in keys.iter().enumerate() {
        ensure!(!key.kid.is_empty(), "a key has an empty `kid`");
        ensure!(keys[..at].iter().all(|other| other.kid != key.kid), "two keys are named `{}`", key.kid);
        key.bytes().with_context(|| format!("key `{}`", key.kid))?;
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kid: &str) -> PublicKey {
        PublicKey::new(kid, &BASE64_URL_SAFE_NO_PAD.encode([7; KEY_BYTES]))
    }

    #[test]
    fn keys_come_and_go_by_name() -> anyhow::Result<()> {
        let one = KeySet::rotate(None, Some(key("a")), &[])?;
        let two = KeySet::rotate(Some(&one), Some(key("b")), &[])?;
        let set = KeySet::try_parse(&two)?;
        assert!(set.get("a").is_some() && set.get("b").is_some() && set.get("c").is_none());
        let rest = KeySet::try_parse(&KeySet::rotate(Some(&two), None, &["a".to_owned()])?)?;
        assert!(rest.get("a").is_none() && rest.len() == 1);
        assert!(KeySet::rotate(Some(&two), Some(key("a")), &[]).is_err(), "the name is taken");
        assert!(KeySet::rotate(Some(&two), None, &["c".to_owned()]).is_err(), "nothing to retire");
        Ok(())
    }

    #[test]
    fn what_is_no_ed25519_key_spoils_the_whole_file() {
        let text = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut json = serde_json::json!({"keys": [key("a")]});
            change(&mut json["keys"][0]);
            json.to_string()
        };
        assert!(KeySet::try_parse(&text(&|_| {})).is_ok());
        for (field, value) in [
            ("kty", "oct"),
            ("crv", "X25519"),
            ("alg", "HS256"),
            ("use", "enc"),
            ("kid", ""),
            ("x", "AAAA"),
            ("x", "*"),
            ("d", "SECRET"),
        ] {
            let error = KeySet::try_parse(&text(&|key| key[field] = value.into())).map(|_| ()).unwrap_err();
            assert!(!format!("{error:#}").contains("SECRET"), "{error:#}");
        }
        for broken in ["", "{", "[]", "{\"keys\":[{\"kid\":\"a\"}]}"] {
            assert!(KeySet::try_parse(broken).is_err(), "{broken}");
        }
        assert!(KeySet::try_parse("{\"keys\":[]}").is_ok_and(|set| set.is_empty()));
    }
}
