//! Sends what names a person to every route, in every place where a client could put it.

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, ensure};
use benches::doors::scope_of;
use schemas::access::{Role, Scope};
use serde_json::{Map, Value, json};
use service::access::Issuer;

use super::bodies::{Body, GUARDIAN, ORGANISATION, bodies};
use super::secrets::{ID_CARD, PHONE, SECRETS, Secret, json_escaped, percent};

/// Of the district of [`scope_of`]: an alert's identity begins with it.
const ALERT: &str = "00310101-0000-8000-8000-000000000007";
/// What is kept by district, whose identities begin with it as well.
const BY_DISTRICT: [&str; 5] = ["/v1/alerts", "/v1/trips", "/v1/releases", "/v1/reminders", "/v1/erasures"];

/// A service as its API document describes it.
pub struct Service<'a> {
    address: String,
    issuer: &'a Issuer,
    document: Value,
}

/// One request.
struct Call<'c> {
    method: &'c str,
    target: &'c str,
    role: Option<Role>,
    headers: &'c str,
    body: &'c [u8],
}

impl<'a> Service<'a> {
    pub fn try_new(address: String, issuer: &'a Issuer) -> anyhow::Result<Self> {
        let mut service = Self { address, issuer, document: Value::Null };
        let (status, document) = service.send(&Call::get("/openapi.json", None))?;
        ensure!(status == 200, "no API document: {status}");
        service.document = serde_json::from_str(&document)?;
        Ok(service)
    }

    pub fn get(&self, role: Role, target: &str) -> anyhow::Result<(u16, String)> {
        self.send(&Call::get(target, Some(role)))
    }

    /// Sends a body as an account: it must be taken.
    pub fn post_as(&self, (role, account): (Role, &str), target: &str, body: &Value) -> anyhow::Result<Value> {
        let token = self.issuer.issue(role, account, scope_of(role), chrono::Utc::now().timestamp(), 600)?;
        let headers = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
        let text = body.to_string();
        let call = Call { method: "POST", target, role: None, headers: &headers, body: text.as_bytes() };
        let (status, answer) = self.send(&call)?;
        ensure!(status == 202, "{target}: {status} {answer}");
        Ok(serde_json::from_str(&answer)?)
    }

    /// Sends a body as it is: it must be taken.
    pub fn expect_taken(&self, body: &Body) -> anyhow::Result<()> {
        let (status, answer) = self.send_body(body, &target(body.path), body.value.to_string().as_bytes())?;
        ensure!(status == body.status, "{}: {status} {answer}", body.path);
        ensure!(!body.is_line || answer.contains("\"accepted\":1"), "{}: {answer}", body.path);
        Ok(())
    }

    /// Sends every secret to every place of every route, and gives how many requests that were. No answer repeats one.
    pub fn drive_everywhere(&self) -> anyhow::Result<usize> {
        let mut sent = 0;
        for (path, item) in self.document["paths"].as_object().context("no paths")? {
            for (method, operation) in item.as_object().context("no operations")? {
                let method = method.to_uppercase();
                let roles = roles_of(operation)?;
                for secret in SECRETS {
                    sent += self.drive_targets(&method, path, operation, roles.first().copied(), secret)?;
                }
                if operation["requestBody"].is_object() {
                    let all: Vec<_> = bodies().into_iter().filter(|body| body.path == path).collect();
                    ensure!(!all.is_empty(), "{method} {path} takes a body: add one to `bodies`, with secrets in it");
                    for body in all {
                        sent += self.drive_bodies(&body)?;
                    }
                }
            }
        }
        Ok(sent)
    }

    /// Path, query and headers.
    fn drive_targets(
        &self,
        method: &str,
        path: &str,
        operation: &Value,
        role: Option<Role>,
        secret: Secret,
    ) -> anyhow::Result<usize> {
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let named = |place: &str| -> Vec<String> {
            let of_place = parameters.iter().filter(|parameter| parameter["in"] == place);
            of_place.filter_map(|parameter| parameter["name"].as_str().map(str::to_owned)).collect()
        };
        let mut calls = Vec::new();
        for written in [percent(secret.text.as_bytes()), percent(secret.gbk)] {
            for name in named("path") {
                calls.push((target(&path.replace(&format!("{{{name}}}"), &written)), String::new()));
            }
            for name in named("query").into_iter().chain(["unknown".to_owned()]) {
                let others = named("query").into_iter().filter(|other| *other != name);
                let others: String = others.map(|other| format!("&{other}={}", sample(&other))).collect();
                calls.push((format!("{}?{name}={written}{others}", target(path)), String::new()));
            }
        }
        for name in [
            "User-Agent",
            "Referer",
            "Cookie",
            "X-Request-Id",
            "X-Forwarded-For",
            "traceparent",
            "Accept",
            "If-None-Match",
        ] {
            calls.push((target(path), format!("{name}: {}\r\n", secret.text)));
        }
        for (target, headers) in &calls {
            let body: &[u8] = if method == "GET" { b"" } else { b"{}" };
            let (status, answer) = self.send(&Call { method, target, role, headers, body })?;
            ensure!(!answer.contains(secret.text), "{method} {path} answers {status} with what was sent: {answer}");
        }
        // As the name of a field, which comes back so that its sender can find it.
        let named_so = format!("{}?{}=1", target(path), percent(secret.text.as_bytes()));
        self.send(&Call { method, target: &named_so, role, headers: "", body: b"" })?;
        // In place of a token.
        let headers = format!("Authorization: Bearer {}\r\n", secret.text);
        self.send(&Call { method, target: &target(path), role: None, headers: &headers, body: b"" })?;
        Ok(calls.len() + 2)
    }

    fn drive_bodies(&self, body: &Body) -> anyhow::Result<usize> {
        let mut sent = 0;
        let mut send = |text: &[u8], secret: Option<&Secret>| -> anyhow::Result<()> {
            sent += 1;
            let (status, answer) = self.send_body(body, &target(body.path), text)?;
            let repeats = secret.is_some_and(|secret| answer.contains(secret.text));
            ensure!(!repeats, "{} answers {status} with what was sent: {answer}", body.path);
            Ok(())
        };
        for secret in &SECRETS {
            for leaf in leaves(&body.value) {
                let dotted = leaf.trim_start_matches('/').replace('/', ".");
                let is_number = [ID_CARD, PHONE].contains(&secret.text);
                if body.public.contains(&dotted.as_str()) || body.plain.contains(&dotted.as_str()) && !is_number {
                    continue;
                }
                for planted in
                    [json!(secret.text), json!([secret.text]), json!({"type": secret.text, "number": secret.text})]
                {
                    let mut value = body.value.clone();
                    *value.pointer_mut(&leaf).context("a leaf")? = planted;
                    send(value.to_string().as_bytes(), Some(secret))?;
                    send(json_escaped(&value.to_string()).as_bytes(), Some(secret))?;
                }
                // As a number, which a document number without letters also is.
                let mut value = body.value.clone();
                *value.pointer_mut(&leaf).context("a leaf")? = json!("SECRET");
                send(value.to_string().replace("\"SECRET\"", secret.text).as_bytes(), Some(secret))?;
            }
            let mut unknown = body.value.clone();
            unknown["unknown"] = secret.text.into();
            send(unknown.to_string().as_bytes(), Some(secret))?;
            // As the name of a field.
            let mut named: Map<String, Value> = body.value.as_object().cloned().unwrap_or_default();
            named.insert(secret.text.to_owned(), 1.into());
            send(Value::Object(named).to_string().as_bytes(), None)?;
            send(json!(secret.text).to_string().as_bytes(), Some(secret))?;
            send(secret.text.as_bytes(), Some(secret))?;
            send(secret.gbk, Some(secret))?;
            send(format!("{{\"name\": \"{}", secret.text).as_bytes(), Some(secret))?;
        }
        Ok(sent)
    }

    fn send_body(&self, body: &Body, target: &str, text: &[u8]) -> anyhow::Result<(u16, String)> {
        let kind = if body.is_line { "application/x-ndjson" } else { "application/json" };
        let headers = format!("Content-Type: {kind}\r\n");
        self.send(&Call { method: "POST", target, role: Some(body.role), headers: &headers, body: text })
    }

    fn send(&self, call: &Call<'_>) -> anyhow::Result<(u16, String)> {
        let mut headers = call.headers.to_owned();
        if let Some(role) = call.role {
            let scope = match role {
                Role::Operator => Scope { organisation: Some(ORGANISATION.to_owned()), ..Scope::default() },
                role => scope_of(role),
            };
            let token = self.issuer.issue(role, "it", scope, chrono::Utc::now().timestamp(), 600)?;
            headers.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        let (status, answer) = exchange(&self.address, call.method, call.target, &headers, call.body)?;
        Ok((status, String::from_utf8_lossy(&answer).into_owned()))
    }
}

impl<'c> Call<'c> {
    const fn get(target: &'c str, role: Option<Role>) -> Self {
        Self { method: "GET", target, role, headers: "", body: b"" }
    }
}

/// Sends one request as it is and gives status and body of the answer.
pub fn exchange(
    address: &str,
    method: &str,
    target: &str,
    headers: &str,
    body: &[u8],
) -> anyhow::Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(address)?;
    let head =
        format!("{method} {target} HTTP/1.0\r\nHost: {address}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = memchr::memmem::find(&answer, b"\r\n\r\n").with_context(|| format!("{method} {target}: no answer"))?;
    let status = std::str::from_utf8(&answer[..end])?.split(' ').nth(1).context("no status")?.parse()?;
    Ok((status, answer.split_off(end + 4)))
}

/// A path with something that may stand in each of its places.
fn target(path: &str) -> String {
    let mut target = path.to_owned();
    while let (Some(start), Some(end)) = (target.find('{'), target.find('}')) {
        let name = target[start + 1..end].to_owned();
        let value = match (name.as_str(), path) {
            ("id", path) if path.starts_with("/v1/venues") => sample("venue"),
            ("id", path) if BY_DISTRICT.iter().any(|kept| path.starts_with(kept)) => ALERT,
            (name, _) => sample(name),
        };
        target.replace_range(start..=end, value);
    }
    target
}

fn sample(name: &str) -> &'static str {
    match name {
        "person" => GUARDIAN,
        "venue" | "limit" => "7",
        "from" => "2022-06-01T00:00:00Z",
        "to" => "2022-06-02T00:00:00Z",
        "id" => "018f0000-0000-7000-8000-000000000002",
        "district" => "410202",
        _ => "1",
    }
}

/// Pointers to everything in a value that is neither object nor array.
fn leaves(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| leaves(value).into_iter().map(move |leaf| format!("/{name}{leaf}")))
            .collect(),
        _ => vec![String::new()],
    }
}

fn roles_of(operation: &Value) -> anyhow::Result<Vec<Role>> {
    let description = operation["description"].as_str().unwrap_or_default();
    let Some((_, roles)) = description.split_once("Roles: ") else { return Ok(Vec::new()) };
    let roles = roles.split('.').next().unwrap_or_default();
    roles.split(", ").map(|role| Ok(role.trim_matches('`').parse()?)).collect()
}
