//! The form of a token: a compact JWS (RFC 7515) with EdDSA over Ed25519 (RFC 8037), and nothing else of either.
//!
//! It is this small because nothing is chosen: a token's head names its key and gets no further say (RFC 8725).

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use schemas::access::Claims;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::error::AccessError;

/// The parts of a token, not verified.
pub(super) struct Token<'t> {
    head: &'t [u8],
    body: &'t [u8],
    signature: &'t [u8],
    /// Head and body with the dot between: what is signed.
    message: &'t [u8],
}

/// The head of a token, as far as it matters.
#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood (RFC 7515); none are.
    crit: Option<serde::de::IgnoredAny>,
}

impl<'t> Token<'t> {
    /// Takes a token apart.
    pub(super) fn try_split(token: &'t [u8]) -> Result<Self, AccessError> {
        let mut parts = token.split(|byte| *byte == b'.');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(head), Some(body), Some(signature), None) => {
                Ok(Self { head, body, signature, message: &token[..head.len() + 1 + body.len()] })
            }
            _ => Err(AccessError::Malformed("expected three parts with dots between")),
        }
    }

    /// The name of the key that it says it is signed with.
    pub(super) fn key_name(&self) -> Result<String, AccessError> {
        let head: Option<Head> = json(self.head);
        let head = head.ok_or(AccessError::Malformed("its head is not JSON in base64url"))?;
        if head.alg != "EdDSA" {
            return Err(AccessError::Malformed("expected `alg` EdDSA"));
        }
        if head.crit.is_some() {
            return Err(AccessError::Malformed("it has `crit`"));
        }
        head.kid.ok_or(AccessError::Malformed("expected `kid`, the name of its key"))
    }

    /// Its claims, if a key has signed them.
    pub(super) fn verify(&self, public_key: &[u8]) -> Result<Claims, AccessError> {
        let signature = BASE64_URL_SAFE_NO_PAD.decode(self.signature).ok().filter(|signature| !signature.is_empty());
        let signature = signature.ok_or(AccessError::Malformed("it has no signature in base64url"))?;
        let key = UnparsedPublicKey::new(&ED25519, public_key);
        key.verify(self.message, &signature).map_err(|_| AccessError::Forged)?;
        json(self.body).ok_or(AccessError::Malformed("its claims are not those of a token here"))
    }
}

/// Signs claims, or something else of a type of its own, with the key of this name.
pub(super) fn sign(kid: &str, key: &Ed25519KeyPair, typ: &str, claims: &impl Serialize) -> serde_json::Result<String> {
    let head = json!({"alg": "EdDSA", "typ": typ, "kid": kid}).to_string();
    let part = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let message = format!("{}.{}", part(head.as_bytes()), part(&serde_json::to_vec(claims)?));
    Ok(format!("{message}.{}", part(key.sign(message.as_bytes()).as_ref())))
}

fn json<T: serde::de::DeserializeOwned>(part: &[u8]) -> Option<T> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 8037, appendix A.4: a signature by somebody else's code.
    #[test]
    fn the_example_of_the_standard_verifies() {
        let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
                     hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        let key = BASE64_URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").expect("base64url");
        let outcome = Token::try_split(token.as_bytes()).expect("three parts").verify(&key);
        // The signature fits; what is signed is a sentence and no claims.
        assert!(matches!(outcome, Err(AccessError::Malformed(text)) if text.contains("claims")));
        let tampered = token.replace(".hgyY", ".hgyZ");
        let outcome = Token::try_split(tampered.as_bytes()).expect("three parts").verify(&key);
        assert_eq!(outcome, Err(AccessError::Forged));
    }
}
