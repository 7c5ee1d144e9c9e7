//! Tokens of every wrong kind, without a service around.

use std::io::Write;

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use proptest::prelude::*;
use schemas::access::{ClaimsError, Role, Scope};

use super::*;
use crate::access::{Issuer, SigningKey};

const NOW: UnixSeconds = 1_653_235_200;
const HOUR: u32 = 3600;

struct Setting {
    issuer: Issuer,
    verifier: Arc<Verifier>,
    file: tempfile::NamedTempFile,
}

impl Setting {
    fn new() -> Self {
        let issuer = Issuer::new(SigningKey::generate("k1").expect("a key"));
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        let jwks = KeySet::rotate(None, Some(issuer.key.public()), &[]).expect("a set");
        file.write_all(jwks.as_bytes()).expect("written");
        let config = AccessConfig {
            token_keys_file: file.path().to_owned(),
            token_issuer: "venuecode".to_owned(),
            token_audience: "venuecode".to_owned(),
            token_leeway_s: 30,
            token_max_lifetime_s: 24 * HOUR,
        };
        Self { issuer, verifier: Verifier::try_new(&config).expect("keys"), file }
    }

    fn issue(&self) -> String {
        self.issuer.issue(Role::Device, "sentinel-7", Scope::default(), NOW, HOUR).expect("a token")
    }

    fn check(&self, token: &str, now: UnixSeconds) -> Result<Caller, AccessError> {
        self.verifier.check(&headers(&format!("Bearer {token}")), 1, now)
    }

    /// The reason why a token is refused.
    fn refusal(&self, token: &str) -> AccessError {
        self.check(token, NOW).map(|_| ()).expect_err("refused")
    }

    /// A token with another head, signed by any means.
    fn forge(&self, head: serde_json::Value, signature: impl Fn(&str) -> String) -> String {
        let token = self.issue();
        let claims = token.split('.').nth(1).expect("claims");
        let message = format!("{}.{claims}", BASE64_URL_SAFE_NO_PAD.encode(head.to_string()));
        format!("{message}.{}", signature(&message))
    }
}

fn headers(authorization: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", authorization.parse().expect("a header"));
    headers
}

#[test]
fn a_token_holds_from_issue_to_expiry_and_is_remembered() {
    let setting = Setting::new();
    let token = setting.issue();
    for _ in 0..2 {
        let caller = setting.check(&token, NOW).expect("valid");
        assert_eq!((caller.role(), caller.claims().sub.as_str()), (Role::Device, "sentinel-7"));
    }
    assert!(setting.verifier.check(&headers(&format!("bearer {token}")), 1, NOW).is_ok(), "RFC 7235: any case");
    // Also a remembered one ends.
    assert!(setting.check(&token, NOW + i64::from(HOUR) + 29).is_ok());
    let over = setting.check(&token, NOW + i64::from(HOUR) + 30).map(|_| ());
    assert_eq!(over, Err(AccessError::Claims(ClaimsError::Expired)));
}

#[test]
fn no_token_and_no_sensible_token_are_told_apart() {
    let setting = Setting::new();
    assert_eq!(setting.verifier.check(&HeaderMap::new(), 1, NOW).map(|_| ()), Err(AccessError::Missing));
    assert_eq!(setting.verifier.check(&headers("Basic abc"), 1, NOW).map(|_| ()), Err(AccessError::Missing));
    let mut twice = headers(&format!("Bearer {}", setting.issue()));
    twice.append("authorization", "Bearer x".parse().expect("a header"));
    assert!(matches!(setting.verifier.check(&twice, 1, NOW), Err(AccessError::Malformed(_))));
    for token in ["", "x", "a.b.c", "..", &"x".repeat(5000)] {
        assert!(matches!(setting.refusal(token), AccessError::Malformed(_)), "{token}");
    }
}

#[test]
fn no_other_algorithm_is_taken_whatever_the_head_says() {
    let setting = Setting::new();
    let head = |alg: &str| serde_json::json!({"alg": alg, "kid": "k1"});
    for alg in ["none", "None", "NONE", "HS256", "RS256", "ES256"] {
        assert!(matches!(setting.refusal(&setting.forge(head(alg), |_| String::new())), AccessError::Malformed(_)));
    }
    // The public key is public: as an HMAC secret it must open nothing.
    let public = serde_json::to_value(setting.issuer.key.public()).expect("JSON");
    let x = public["x"].as_str().expect("a key");
    let raw = BASE64_URL_SAFE_NO_PAD.decode(x).expect("base64url");
    for secret in [raw.as_slice(), x.as_bytes()] {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let sign = |message: &str| BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&secret, message.as_bytes()));
        assert!(matches!(setting.refusal(&setting.forge(head("HS256"), sign)), AccessError::Malformed(_)));
        assert!(setting.check(&setting.forge(head("EdDSA"), sign), NOW).is_err());
    }
    let crit = serde_json::json!({"alg": "EdDSA", "kid": "k1", "crit": ["b64"]});
    assert!(matches!(setting.refusal(&setting.forge(crit, |_| String::new())), AccessError::Malformed(_)));
}

#[test]
fn another_key_of_the_same_name_forges_and_one_of_another_name_is_unknown() {
    let setting = Setting::new();
    let issue = |kid| {
        let other = Issuer::new(SigningKey::generate(kid).expect("a key"));
        other.issue(Role::Admin, "me", Scope::default(), NOW, HOUR).expect("a token")
    };
    assert_eq!(setting.refusal(&issue("k1")), AccessError::Forged);
    assert_eq!(setting.refusal(&issue("k2")), AccessError::UnknownKey);
    let nameless = setting.forge(serde_json::json!({"alg": "EdDSA"}), |_| String::new());
    assert!(matches!(setting.refusal(&nameless), AccessError::Malformed(_)));
}

#[test]
fn forged_tokens_are_not_verified_for_ever_and_a_remembered_one_still_passes() {
    let setting = Setting::new();
    let good = setting.issue();
    setting.check(&good, NOW).expect("valid");
    let other = Issuer::new(SigningKey::generate("k1").expect("a key"));
    let forged = other.issue(Role::Admin, "me", Scope::default(), NOW, HOUR).expect("a token");
    let refused =
        (0..1200).map(|_| setting.refusal(&forged)).find(|r| matches!(r, AccessError::TooManyFailures { .. }));
    assert!(refused.is_some(), "1,000 at once, and no more");
    setting.check(&good, NOW).expect("no signature is verified for it");
    let elsewhere = headers(&format!("Bearer {}", setting.issue()));
    setting.verifier.check(&elsewhere, 2, NOW).expect("another address");
}

#[test]
fn a_retired_key_lets_nobody_in_and_a_broken_file_changes_nothing() {
    let setting = Setting::new();
    let old = setting.issue();
    setting.check(&old, NOW).expect("valid");
    setting.verifier.take_over(Some("{"));
    setting.verifier.take_over(None);
    setting.check(&old, NOW).expect("the keys before are in use");
    let next = Issuer::new(SigningKey::generate("k2").expect("a key"));
    let text = std::fs::read_to_string(setting.file.path()).expect("the file");
    let both = KeySet::rotate(Some(&text), Some(next.key.public()), &[]).expect("a set");
    setting.verifier.take_over(Some(&both));
    setting.check(&old, NOW).expect("not retired yet");
    let new = next.issue(Role::Device, "sentinel-7", Scope::default(), NOW, HOUR).expect("a token");
    setting.check(&new, NOW).expect("the new key");
    let rest = KeySet::rotate(Some(&both), None, &["k1".to_owned()]).expect("a set");
    setting.verifier.take_over(Some(&rest));
    assert_eq!(setting.refusal(&old), AccessError::UnknownKey);
    setting.check(&new, NOW).expect("the new key");
    setting.verifier.take_over(Some("{\"keys\":[]}"));
    assert_eq!(setting.refusal(&new), AccessError::UnknownKey);
}

#[test]
fn all_tokens_of_a_holder_are_one_subject() {
    let setting = Setting::new();
    let (one, other) = (setting.check(&setting.issue(), NOW), setting.check(&setting.issue(), NOW));
    let key = |caller: Result<Caller, AccessError>| caller.expect("valid").subject().key;
    assert_eq!(key(one), key(other));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_token_that_was_tampered_with_is_never_taken(at in any::<prop::sample::Index>(), with in "[A-Za-z0-9_.=-]", cut in any::<bool>()) {
        thread_local! { static SETTING: Setting = Setting::new(); }
        SETTING.with(|setting| {
            let token = setting.issue();
            let _remembered = setting.check(&token, NOW).expect("valid");
            let at = at.index(token.len());
            let mut tampered = token.clone();
            if cut { tampered.remove(at); } else { tampered.replace_range(at..=at, &with); }
            prop_assume!(tampered != token);
            // An address of its own: too many failures are no answer to the question.
            let address = rand::random();
            let outcome = setting.verifier.check(&headers(&format!("Bearer {tampered}")), address, NOW);
            prop_assert!(outcome.is_err());
            Ok(())
        })?;
    }
}
