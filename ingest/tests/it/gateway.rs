//! A gateway under test, and what its tests ask of it.

mod kept;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Parser;
use reqwest::{RequestBuilder, StatusCode, header::HeaderMap};
use schemas::{
    KeyRing, VenueCode,
    access::{Role, Scope},
};
use serde_json::{Value, json};
use service::{
    Problem,
    access::{Issuer, KeySet, SigningKey},
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const CODE_KEY: &str = "1:abababababababababababababababababababababababababababababababab\n";
pub const PERSON_KEY: &str = "1:cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd\n";
/// Encrypts what names a person.
pub const IDENTITY_KEY: &str = "1:efefefefefefefefefefefefefefefefefefefefefefefefefefefefefefefef\n";
/// How long anything that happens by itself may take.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The example of GB 11643: a valid number of nobody.
pub const ID_CARD: &str = "34052419800101001X";
/// A credit code of nobody.
pub const ORGANISATION: &str = "91310000MA1FL0000N";
/// Someone.
pub const PERSON: &str = "1123456789abcdef";

/// A running gateway with topics of its own.
pub struct Gateway {
    pub config: ingest::Config,
    base: String,
    client: reqwest::Client,
    shutdown: CancellationToken,
    serving: JoinHandle<anyhow::Result<()>>,
    pub issuer: Issuer,
    _keys: Arc<TempDir>,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    config: ingest::Config,
}

/// The brokers that the runner gives.
pub fn brokers() -> String {
    std::env::var("VENUECODE_KAFKA").unwrap_or_else(|_| {
        panic!("set VENUECODE_KAFKA=HOST:PORT, or run the tests with `venuecode exec -- cargo test`")
    })
}

impl Gateway {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts a gateway whose settings differ from the defaults, and waits until it is ready.
    pub async fn start_with(change: impl FnOnce(&mut ingest::Config)) -> Self {
        let keys = tempfile::tempdir().expect("a directory");
        let file = |name: &str, text| {
            let path = keys.path().join(name);
            std::fs::write(&path, text).expect("written");
            path.display().to_string()
        };
        let issuer = Issuer::new(SigningKey::generate("it").expect("a key"));
        let jwks = KeySet::rotate(None, Some(issuer.key.public()), &[]).expect("a key set");
        let (code, person, token) = (file("code", CODE_KEY), file("person", PERSON_KEY), file("tokens", &jwks));
        let identity = file("identity", IDENTITY_KEY);
        let brokers = brokers();
        let prefix = format!("it-{}-", Uuid::now_v7().simple());
        let arguments = [
            "it",
            "--code-keys-file",
            &code,
            "--person-keys-file",
            &person,
            "--identity-keys-file",
            &identity,
            "--token-keys-file",
            &token,
            "--kafka",
            &brokers,
            "--topic-prefix",
            &prefix,
            "--partitions",
            "2",
        ];
        let mut config = Cli::try_parse_from(arguments).expect("parses").config;
        change(&mut config);
        Self::serve(config, issuer, Arc::new(keys)).await
    }

    async fn serve(config: ingest::Config, issuer: Issuer, keys: Arc<TempDir>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address: SocketAddr = listener.local_addr().expect("an address");
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(ingest::serve(config.clone(), listener, shutdown.clone()));
        let base = format!("http://{address}");
        let client = reqwest::Client::builder().timeout(PATIENCE).build().expect("a client");
        let gateway = Self { config, base, client, shutdown, serving, issuer, _keys: keys };
        let started = Instant::now();
        loop {
            let answer = gateway.get("/readyz").await;
            if answer.status == 200 {
                return gateway;
            }
            assert!(started.elapsed() < PATIENCE, "not ready in {PATIENCE:?}: {}", answer.text);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Its address, as the start of a URL.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Stops it in good order.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.serving.await.expect("no panic").expect("a clean end");
    }

    /// Stops it and starts another one with the same settings and topics.
    pub async fn restart(self) -> Self {
        let (config, issuer, keys) = (self.config.clone(), self.issuer.clone(), Arc::clone(&self._keys));
        self.stop().await;
        Self::serve(config, issuer, keys).await
    }

    /// Waits until something is so.
    pub async fn eventually(&self, what: &str, so: impl AsyncFn(&Self) -> bool) {
        let wait = async {
            while !so(self).await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("not {what} in {PATIENCE:?}"));
    }

    /// A token of this gateway, without any limit.
    pub fn token(&self, role: Role, sub: &str) -> String {
        self.limited_token(role, sub, Scope::default())
    }

    /// A token of this gateway.
    pub fn limited_token(&self, role: Role, sub: &str, scope: Scope) -> String {
        let now = chrono::Utc::now().timestamp();
        self.issuer.issue(role, sub, scope, now, 3600).expect("a token")
    }

    /// A request with a token of a role that may use the path.
    pub fn request(&self, method: reqwest::Method, path: &str) -> RequestBuilder {
        let request = self.bare_request(method, path);
        if path.ends_with("/reviews") {
            return request.bearer_auth(self.token(Role::Reviewer, "it"));
        }
        if path.starts_with("/v1/applications") || path.starts_with("/v1/venues/") || path.ends_with("/answer") {
            let scope = Scope { organisation: Some(ORGANISATION.to_owned()), ..Scope::default() };
            return request.bearer_auth(self.limited_token(Role::Operator, "it", scope));
        }
        if path.starts_with("/v1/people/") {
            let person = path.split('/').nth(3).and_then(|person| person.parse().ok()).or_else(|| PERSON.parse().ok());
            return request.bearer_auth(self.limited_token(Role::Citizen, "it", Scope { person, ..Scope::default() }));
        }
        let role = match path {
            "/v1/venues:batch" => Role::Admin,
            "/v1/health-codes:batch" | "/v1/tests:batch" => Role::Feed,
            path if path.starts_with("/v1/health-proposals/") => Role::Feed,
            "/v1/releases" => Role::Epidemiologist,
            path if path.starts_with("/v1/reminders") => Role::Regulator,
            path if ["/v1/alerts/", "/v1/releases/", "/v1/erasures"].iter().any(|kept| path.starts_with(kept)) => {
                Role::Supervisor
            }
            path if path.starts_with("/v1/") => Role::Device,
            _ => return request,
        };
        request.bearer_auth(self.token(role, "it"))
    }

    /// A request without a token.
    pub fn bare_request(&self, method: reqwest::Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::to(self.request(reqwest::Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
        let request = self.request(reqwest::Method::POST, path);
        Answer::to(request.header("content-type", content_type).body(body)).await
    }

    /// Sends an object with a token of its own.
    pub async fn post_as(&self, (role, account): (Role, &str), scope: Scope, path: &str, body: &Value) -> Answer {
        let request = self.bare_request(reqwest::Method::POST, path);
        let request = request.bearer_auth(self.limited_token(role, account, scope));
        Answer::to(request.header("content-type", "application/json").body(body.to_string())).await
    }

    /// The same with a token that is limited to a district, or not.
    pub async fn post_within(&self, who: (Role, &str), district: Option<u32>, path: &str, body: &Value) -> Answer {
        self.post_as(who, Scope { district, ..Scope::default() }, path, body).await
    }

    pub async fn scan(&self, body: &Value) -> Answer {
        self.post("/v1/scans", "application/json", body.to_string()).await
    }

    /// Sends lines to a batch route.
    pub async fn batch(&self, path: &str, lines: &[Value]) -> Answer {
        let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
        self.post(path, "application/x-ndjson", body).await
    }

    /// Loads a public venue and returns its code.
    pub async fn load_venue(&self, venue: u32) -> String {
        let line = venue_line(venue);
        let answer = self.batch("/v1/venues:batch", &[line]).await.ok();
        assert_eq!(answer["accepted"], 1, "{answer}");
        answer["lines"][0]["code"].as_str().expect("a code").to_owned()
    }

    /// Loads a green code and a negative test of an hour ago.
    pub async fn load_healthy(&self, person: &str) {
        let health = json!({"person": person, "colour": "green", "since": ago(86_400), "issuer": "CDC", "evidence": "E1", "reason": "no risk"});
        let test = json!({"person": person, "sampled_at": ago(3600), "resulted_at": ago(1800), "result": "negative", "laboratory": "L1"});
        assert_eq!(self.batch("/v1/health-codes:batch", &[health]).await.ok()["accepted"], 1);
        assert_eq!(self.batch("/v1/tests:batch", &[test]).await.ok()["accepted"], 1);
    }

    /// A code of this city, also for venues that do not exist.
    pub fn code(&self, venue: u32, serial: u8) -> String {
        VenueCode { venue, serial }.sign(&KeyRing::try_parse(CODE_KEY).expect("valid")).to_string()
    }
}

impl Answer {
    pub async fn to(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, text: response.text().await.expect("a body") }
    }

    /// The body of a 200.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/json");
        serde_json::from_str(&self.text).expect("JSON")
    }

    /// The problem that it is, whose body says the same as the headers.
    #[track_caller]
    pub fn problem(&self) -> Problem {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{} {}", self.status, self.text);
        let problem: Problem = serde_json::from_str(&self.text).expect("a problem");
        assert_eq!(problem.status, self.status.as_u16());
        let retry = self.headers.get("retry-after").map(|v| v.to_str().expect("ascii").to_owned());
        assert_eq!(retry, problem.retry_after_s.map(|s| s.to_string()));
        problem
    }

    /// Status, kind and field of the problem.
    #[track_caller]
    pub fn refusal(&self) -> (u16, String, Option<String>) {
        let problem = self.problem();
        (problem.status, problem.kind.trim_start_matches("urn:venuecode:problem:").to_owned(), problem.field)
    }
}

/// A time so many seconds ago, as clients write it.
pub fn ago(seconds: i64) -> String {
    (chrono::Utc::now() - chrono::Duration::seconds(seconds)).to_rfc3339()
}

/// A line that loads a public venue.
pub fn venue_line(venue: u32) -> Value {
    json!({"venue": venue, "name": format!("茶馆 {venue}"), "category": "catering", "district": 310_101, "address": "福州路1号"})
}

/// A body with another value in a field; without the field, when that is null.
pub fn with(mut body: Value, field: &str, value: Value) -> Value {
    match value {
        Value::Null => drop(body.as_object_mut().expect("an object").remove(field)),
        value => body[field] = value,
    }
    body
}
