//! Tries every door of a service: each route of its API document with each role, without a token, and with every kind
//! of bad one. The list of who may enter where is the caller's, so that it is written down twice.

use anyhow::{Context, ensure};
use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::Utc;
use reqwest::{Client, Method, Response};
use schemas::UnixSeconds;
use schemas::access::{Limit, Role, Rule, Scope, Table};
use serde_json::{Value, json};
use service::Problem;
use service::access::{Issuer, SigningKey};

const LIFETIME_S: u32 = 600;

/// Method, path and who may enter; `None` is everybody.
pub type Door = (&'static str, &'static str, Option<&'static [Role]>);

/// Tries all doors of the service at `base`, which takes the tokens of `issuer`.
///
/// # Errors
/// At the first door that is not as it should be, or that only one of document and list has.
pub async fn try_all(base: &str, issuer: &Issuer, doors: &[Door]) -> anyhow::Result<()> {
    let http = Client::new();
    let document: Value = http.get(format!("{base}/openapi.json")).send().await?.json().await?;
    let listed = |method: &str, path: &str| doors.iter().any(|(m, p, _)| *m == method && *p == path);
    for (path, item) in document["paths"].as_object().context("paths")? {
        for (method, operation) in item.as_object().context("operations")? {
            let method = method.to_uppercase();
            ensure!(operation["responses"].is_object(), "{method} {path} is no operation");
            ensure!(listed(&method, path), "{method} {path} is in the document, and nobody said who may use it");
        }
    }
    let now = Utc::now().timestamp();
    for (method, path, roles) in doors {
        let operation = &document["paths"][path][method.to_lowercase()];
        ensure!(operation.is_object(), "{method} {path} is not in the document");
        let door = DoorAt { http: &http, base, method, path };
        match roles {
            None => {
                let answer = door.knock(None).await?;
                // What is asked for may be nonsense, of which whoever is inside says so.
                let status = answer.status();
                ensure!(status.is_success() || status.as_u16() == 422, "{door}: {status} without a token");
                ensure!(operation["security"].is_null(), "{door}: the document asks for a token");
            }
            Some(roles) => {
                door.is_described(operation, roles)?;
                door.refuses_bad_tokens(issuer, roles, now).await?;
                door.takes_only(issuer, roles, now).await?;
            }
        }
    }
    Ok(())
}

/// Whether a service's table lists these doors and no other.
///
/// # Errors
/// At the first rule or door that only one of the two has.
pub fn are_those_of(doors: &[Door], table: Table) -> anyhow::Result<()> {
    for Rule { method, path, roles, .. } in table.0 {
        ensure!(doors.contains(&(*method, *path, *roles)), "{method} {path} is in the table, for {roles:?}");
    }
    ensure!(doors.len() == table.0.len(), "{} doors, {} rules: one is there twice", doors.len(), table.0.len());
    Ok(())
}

/// A scope with which a token of the role can be issued.
#[must_use]
pub fn scope_of(role: Role) -> Scope {
    match role.required_limit() {
        Some(Limit::Person) => Scope { person: "1123456789abcdef".parse().ok(), ..Scope::default() },
        Some(Limit::Organisation) => Scope { organisation: Some("91350100M000100Y43".to_owned()), ..Scope::default() },
        Some(Limit::District) => Scope { district: Some(310_101), ..Scope::default() },
        _ => Scope::default(),
    }
}

struct DoorAt<'a> {
    http: &'a Client,
    base: &'a str,
    method: &'a str,
    path: &'a str,
}

impl std::fmt::Display for DoorAt<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl DoorAt<'_> {
    async fn knock(&self, token: Option<&str>) -> anyhow::Result<Response> {
        let url = format!("{}{}", self.base, self.path.replace(['{', '}'], ""));
        let request = self.http.request(Method::from_bytes(self.method.as_bytes())?, url);
        Ok(match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
        .send()
        .await?)
    }

    /// Knocks and expects a problem of this kind, with a challenge where one belongs.
    async fn is_shut(&self, token: Option<&str>, status: u16, kind: &str, who: &str) -> anyhow::Result<Problem> {
        let answer = self.knock(token).await?;
        let challenge = answer.headers().get("www-authenticate").and_then(|value| value.to_str().ok());
        let challenge = challenge.unwrap_or_default().to_owned();
        let (actual, text) = (answer.status().as_u16(), answer.text().await?);
        ensure!(actual == status, "{self} with {who}: {actual} {text}, expected {status} {kind}");
        ensure!(challenge.starts_with("Bearer "), "{self} with {who}: no challenge");
        let problem: Problem = serde_json::from_str(&text).with_context(|| format!("{self} with {who}: {text}"))?;
        ensure!(problem.kind == format!("urn:venuecode:problem:{kind}"), "{self} with {who}: {text}, expected {kind}");
        Ok(problem)
    }

    async fn takes_only(&self, issuer: &Issuer, roles: &[Role], now: UnixSeconds) -> anyhow::Result<()> {
        for role in Role::ALL {
            let token = issuer.issue(*role, "doors", scope_of(*role), now, LIFETIME_S)?;
            if roles.contains(role) {
                // What is asked for is nonsense: whatever comes now is said by whoever is inside.
                let answer = self.knock(Some(&token)).await?;
                ensure!(!matches!(answer.status().as_u16(), 401 | 403), "{self}: {role} is refused");
            } else {
                let problem = self.is_shut(Some(&token), 403, "role-not-allowed", role.as_str()).await?;
                let detail = problem.detail.unwrap_or_default();
                ensure!(roles.iter().all(|role| detail.contains(role.as_str())), "{self}: {detail}");
            }
        }
        Ok(())
    }

    async fn refuses_bad_tokens(&self, issuer: &Issuer, roles: &[Role], now: UnixSeconds) -> anyhow::Result<()> {
        self.is_shut(None, 401, "token-missing", "no token").await?;
        let role = *roles.first().context("a route for nobody")?;
        for (who, token, kind) in bad_tokens(issuer, role, now)? {
            self.is_shut(Some(&token), 401, kind, who).await?;
        }
        Ok(())
    }

    fn is_described(&self, operation: &Value, roles: &[Role]) -> anyhow::Result<()> {
        ensure!(operation["security"] == json!([{"token": []}]), "{self}: the document asks for no token");
        for status in ["401", "403"] {
            let is_there = operation["responses"][status].is_object() || operation["responses"]["4XX"].is_object();
            ensure!(is_there, "{self}: the document knows no {status}");
        }
        let text = operation["description"].as_str().unwrap_or_default();
        let text = text.rsplit("Roles: ").next().and_then(|text| text.split('.').next()).unwrap_or_default();
        for role in Role::ALL {
            let named = text.contains(&format!("`{role}`"));
            ensure!(named == roles.contains(role), "{self}: the document says of {role}: {text}");
        }
        Ok(())
    }
}

/// Tokens of every wrong kind, each with what it is and the kind of problem that it must lead to.
fn bad_tokens(
    issuer: &Issuer,
    role: Role,
    now: UnixSeconds,
) -> anyhow::Result<Vec<(&'static str, String, &'static str)>> {
    let claims = issuer.claims(role, "doors", scope_of(role), now, LIFETIME_S);
    let sign = |change: &dyn Fn(&mut schemas::access::Claims)| {
        let mut claims = claims.clone();
        change(&mut claims);
        issuer.key.sign(&claims)
    };
    let good = issuer.key.sign(&claims)?;
    let (message, signature) = good.rsplit_once('.').context("a signature")?;
    let body = message.split('.').nth(1).context("claims")?;
    let headed = |alg: &str| {
        let head = json!({"alg": alg, "typ": "JWT", "kid": issuer.key.kid()}).to_string();
        format!("{}.{body}", BASE64_URL_SAFE_NO_PAD.encode(head))
    };
    let public = serde_json::to_value(issuer.key.public())?;
    let secret = BASE64_URL_SAFE_NO_PAD.decode(public["x"].as_str().unwrap_or_default())?;
    let secret = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    let by_hmac = |message: &str| BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&secret, message.as_bytes()));
    let other = SigningKey::generate(issuer.key.kid())?;
    let unknown = SigningKey::generate("nobodys")?;
    let forged_body = {
        let mut claims = claims.clone();
        (claims.role, claims.scope) = (Role::Admin, Scope::default());
        claims.sub = "somebody else".to_owned();
        BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims)?)
    };
    let head = message.split('.').next().context("a head")?;
    Ok(vec![
        ("garbage", "garbage".to_owned(), "token-malformed"),
        ("an expired token", sign(&|c| (c.iat, c.nbf, c.exp) = (now - 700, now - 700, now - 100))?, "token-expired"),
        ("a token of tomorrow", sign(&|c| c.nbf = now + 300)?, "token-not-yet-valid"),
        ("a token of ten years", sign(&|c| c.exp = now + 315_360_000)?, "token-lives-too-long"),
        ("another audience", sign(&|c| c.aud = "elsewhere".to_owned())?, "token-wrong-audience"),
        ("another issuer", sign(&|c| c.iss = "somebody".to_owned())?, "token-wrong-issuer"),
        ("nobody", sign(&|c| c.sub.clear())?, "token-malformed"),
        ("another key of the same name", other.sign(&claims)?, "token-forged"),
        ("a key that is not known", unknown.sign(&claims)?, "token-unknown-key"),
        ("another body", format!("{head}.{forged_body}.{signature}"), "token-forged"),
        ("no signature", format!("{message}."), "token-malformed"),
        ("alg none", format!("{}.", headed("none")), "token-malformed"),
        ("alg none with a signature", format!("{}.{signature}", headed("none")), "token-malformed"),
        ("HS256 with the public key", format!("{}.{}", headed("HS256"), by_hmac(&headed("HS256"))), "token-malformed"),
        ("HS256 called EdDSA", format!("{message}.{}", by_hmac(message)), "token-forged"),
    ])
}
