//! Issues tokens. Services never do: this is for `venuecode token`, the load generators and the tests. What services sign
//! are statements of their own, with keys that no token is verified with.

use std::path::Path;

use anyhow::{Context, anyhow};
use aws_lc_rs::{
    encoding::AsBigEndian,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use schemas::{
    UnixSeconds,
    access::{Claims, Role, Scope},
};
use serde::{Deserialize, Serialize};

use super::{jws, keys::PublicKey};

/// A private key: a JWK with its part `d` (RFC 8037).
#[derive(Clone, Serialize, Deserialize)]
pub struct SigningKey {
    kty: String,
    crv: String,
    kid: String,
    x: String,
    d: String,
}

/// Debug output shows the name only.
impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.kid)
    }
}

impl SigningKey {
    /// A new key of this name.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn generate(kid: &str) -> anyhow::Result<Self> {
        let pair = Ed25519KeyPair::generate().map_err(|_| anyhow!("the system has no random numbers"))?;
        let seed = pair.seed().and_then(|seed| seed.as_be_bytes()).map_err(|_| anyhow!("no key was made"))?;
        let text = |text: &str| text.to_owned();
        let part = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let (x, d) = (part(pair.public_key().as_ref()), part(seed.as_ref()));
        Ok(Self { kty: text("OKP"), crv: text("Ed25519"), kid: text(kid), x, d })
    }

    /// Reads a key from its file.
    ///
    /// # Errors
    /// When it cannot be read or is no key; the message names the file and never the key.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the private key in {shown}"))?;
        let key: Option<Self> = serde_json::from_str(&text).ok();
        let key = key.with_context(|| format!("{shown} holds no private key as `venuecode token keygen` writes it"))?;
        key.pair().with_context(|| format!("the private key in {shown}"))?;
        Ok(key)
    }

    /// The text of its file.
    ///
    /// # Errors
    /// Never: a struct of strings serialises.
    pub fn to_text(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Its name.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half, for a JWKS.
    pub fn public(&self) -> PublicKey {
        PublicKey::new(&self.kid, &self.x)
    }

    /// Signs claims.
    ///
    /// # Errors
    /// When the key cannot be read.
    pub fn sign(&self, claims: &Claims) -> anyhow::Result<String> {
        Ok(jws::sign(&self.kid, &self.pair()?, "JWT", claims)?)
    }

    /// Signs what is no token: a compact JWS of this type (RFC 8725, 3.11), so that neither is taken for the other.
    ///
    /// # Errors
    /// When the key cannot be read, or the statement is not JSON.
    pub fn sign_statement(&self, typ: &str, statement: &impl Serialize) -> anyhow::Result<String> {
        Ok(jws::sign(&self.kid, &self.pair()?, typ, statement)?)
    }

    fn pair(&self) -> anyhow::Result<Ed25519KeyPair> {
        let part = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| anyhow!("not base64url"));
        Ed25519KeyPair::from_seed_and_public_key(&part(&self.d)?, &part(&self.x)?)
            .map_err(|_| anyhow!("`d` and `x` are no key pair"))
    }
}

/// Issues tokens for one installation.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// Signs them.
    pub key: SigningKey,
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
}

impl Issuer {
    /// Issues tokens as the services expect them when nothing else was set.
    pub fn new(key: SigningKey) -> Self {
        Self { key, issuer: "venuecode".to_owned(), audience: "venuecode".to_owned() }
    }

    /// What a token would say that holds from `now` on.
    pub fn claims(&self, role: Role, sub: &str, scope: Scope, now: UnixSeconds, lifetime_s: u32) -> Claims {
        let jti = uuid::Uuid::now_v7().to_string();
        Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: sub.to_owned(),
            role,
            scope,
            iat: now,
            nbf: now,
            exp: now + i64::from(lifetime_s),
            jti,
        }
    }

    /// Issues a token that holds from `now` on.
    ///
    /// # Errors
    /// When the role needs a scope that is missing, or the key cannot be read.
    pub fn issue(
        &self,
        role: Role,
        sub: &str,
        scope: Scope,
        now: UnixSeconds,
        lifetime_s: u32,
    ) -> anyhow::Result<String> {
        let claims = self.claims(role, sub, scope, now, lifetime_s);
        claims.check_holder()?;
        self.key.sign(&claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_file_and_is_not_printed() -> anyhow::Result<()> {
        let key = SigningKey::generate("k1")?;
        let text = key.to_text()?;
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), &text)?;
        let back = SigningKey::read(file.path())?;
        assert_eq!((back.kid(), back.to_text()?), ("k1", text.clone()));
        assert_eq!(format!("{key:?}"), "SigningKey(k1)");
        assert!(!serde_json::to_string(&key.public())?.contains("\"d\""));
        std::fs::write(file.path(), text.replace(&key.d, &SigningKey::generate("k2")?.d))?;
        let error = SigningKey::read(file.path()).unwrap_err();
        assert!(format!("{error:#}").contains("no key pair"), "{error:#}");
        Ok(())
    }

    #[test]
    fn no_token_is_issued_without_the_scope_that_its_role_needs() -> anyhow::Result<()> {
        let issuer = Issuer::new(SigningKey::generate("k1")?);
        for role in Role::ALL {
            let issued = issuer.issue(*role, "x", Scope::default(), 0, 60);
            assert_eq!(issued.is_ok(), role.required_limit().is_none(), "{role}");
        }
        Ok(())
    }
}
