//! A city of its own for each test: an own database, and a query service with a user that can only read.

use clap::Parser;
use clickhouse::Client;
use query_api::Config;
use reqwest::{Method, RequestBuilder, Response};
use schemas::access::{Role, Scope};
use schemas::{Colour, Direction, Exemption, PersonKey, Reasons, ScanEvent, ScanRow, TestResult, Verdict};
use serde_json::{Value, json};
use service::{
    ClickHouseConfig,
    access::{Issuer, KeySet, SigningKey},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// 2022-05-22 16:00:00 UTC, midnight in Shanghai.
pub const MIDNIGHT: i64 = 1_653_235_200;

/// An organisation of tests.
pub const ORGANISATION: &str = "91310000MA1FL0000N";

/// A release that lets the account `it` read all that there is of the first people and venues.
pub const RELEASE: Uuid = Uuid::from_u128(0x0031_0101_0000_8000_8000_0000_0000_0001);

/// How long what the service knows of a release is read by at most, and a little more.
pub const KNOWN_FOR: std::time::Duration = std::time::Duration::from_millis(1_050);

/// Keys that sign codes in tests.
pub const CODE_KEYS_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/code.keys");

/// The key that reports are signed with in tests: the example of RFC 8037, appendix A.1.
pub const REPORT_KEY_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/report.key");

/// Keys that entries of the audit log are hashed with in tests.
pub const AUDIT_KEY_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/audit.keys");

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    config: Config,
}

/// One database. It is dropped at the end.
pub struct City {
    pub admin: ClickHouseConfig,
}

/// A query service that runs until it is dropped.
pub struct Api {
    pub base: String,
    pub issuer: Issuer,
    http: reqwest::Client,
    shutdown: CancellationToken,
}

pub fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `venuecode exec -- cargo test -p query-api`"))
}

impl City {
    /// A database with all tables.
    pub async fn new() -> Self {
        let city = Self::without_tables().await;
        service::migrate::migrate(&city.admin).await.expect("the migrations run");
        city.release(&release(RELEASE)).await;
        city
    }

    /// A database with nothing in it.
    pub async fn without_tables() -> Self {
        let admin = ClickHouseConfig {
            url: env("VENUECODE_CLICKHOUSE_URL"),
            user: env("VENUECODE_CLICKHOUSE_USER"),
            password: env("VENUECODE_CLICKHOUSE_PASSWORD").parse().expect("a secret"),
            database: format!("test_{}", uuid::Uuid::now_v7().simple()),
        };
        let create = format!("CREATE DATABASE {}", admin.database);
        Client::default()
            .with_url(&admin.url)
            .with_user(&admin.user)
            .with_password(admin.password.reveal())
            .query(&create)
            .execute()
            .await
            .expect("a database");
        Self { admin }
    }

    /// A ready service with default limits.
    pub async fn api(&self) -> Api {
        self.api_with(&[]).await
    }

    /// A ready service with these flags.
    pub async fn api_with(&self, flags: &[&str]) -> Api {
        let api = self.starting_api(flags).await;
        let started = std::time::Instant::now();
        while started.elapsed() < std::time::Duration::from_secs(60) {
            if api.get("/readyz").await.status() == 200 {
                return api;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("the service did not become ready");
    }

    /// A service that may not be ready yet.
    pub async fn starting_api(&self, flags: &[&str]) -> Api {
        let url = self.admin.url.clone();
        start(&url, &self.admin.database, flags).await
    }

    pub fn client(&self) -> Client {
        self.admin.insert_client()
    }

    /// Runs one statement as the owner of the database.
    pub async fn run(&self, sql: &str) {
        self.client().query(sql).execute().await.expect("the statement runs");
    }

    /// What a query answers, as lines of tab-separated values.
    pub async fn lines(&self, sql: &str) -> Vec<String> {
        let mut cursor = self.admin.query_client().query(sql).fetch_bytes("TabSeparated").expect("a query");
        let text = cursor.collect().await.expect("an answer");
        String::from_utf8(text.to_vec()).expect("text").lines().map(str::to_owned).collect()
    }

    /// How many queries of the service of which this holds have ended.
    pub async fn asked(&self, what: &str) -> u64 {
        self.run("SYSTEM FLUSH LOGS query_log").await;
        let asked = format!(
            "SELECT count() FROM system.query_log WHERE type = 'QueryFinish' AND user = '{}' \
             AND current_database = currentDatabase() AND ({what})",
            env("VENUECODE_QUERY_USER")
        );
        self.lines(&asked).await[0].parse().expect("a number")
    }

    /// Stores scans as the processor does.
    pub async fn store(&self, rows: &[ScanRow]) {
        let mut bytes = Vec::new();
        rows.iter().for_each(|row| row.encode(&mut bytes));
        let sql = format!("INSERT INTO scans_in ({}) FORMAT RowBinary", ScanRow::COLUMNS);
        let client = self.client().with_setting("max_partitions_per_insert_block", "1000");
        let mut insert = client.insert_formatted_with(sql).buffered();
        insert.write_buffered(&bytes);
        insert.end().await.expect("the rows are stored");
    }

    /// Stores the state of a release as the processor does.
    pub async fn release(&self, row: &Value) {
        self.run(&format!("INSERT INTO releases FORMAT JSONEachRow {row}")).await;
    }

    /// Puts a venue of nobody in the directory.
    pub async fn name(&self, venue: u32, name: &str, version: u64) {
        self.own(venue, name, "", version).await;
    }

    /// Puts a venue of an organisation in the directory.
    pub async fn own(&self, venue: u32, name: &str, organisation: &str, version: u64) {
        let sql = "INSERT INTO venues (venue_id, name, category, district, address, door, organisation, active, \
                   version) VALUES ({venue:UInt32}, {name:String}, 'retail', 310101, '', '', {organisation:String}, true, \
                   {version:UInt64})";
        let query = self.client().query(sql).param("venue", venue).param("name", name).param("version", version);
        query.param("organisation", organisation).execute().await.expect("the venue is stored");
    }
}

impl Drop for City {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE {} SYNC", self.admin.database);
        let client = self.client();
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(client.query(&drop).execute())
        });
        if !std::thread::panicking() {
            dropped.join().expect("no panic").expect("the database is dropped");
        }
    }
}

/// A service that asks a ClickHouse at `url`, as the user that can only read.
pub async fn start(url: &str, database: &str, flags: &[&str]) -> Api {
    let (user, password) = (env("VENUECODE_QUERY_USER"), env("VENUECODE_QUERY_PASSWORD"));
    let (issuer, keys) = keys();
    let keys_file = keys.path().display().to_string();
    let own = ["query-api", "--token-keys-file", &keys_file, "--code-keys-file", CODE_KEYS_FILE];
    let own = own.into_iter().chain(["--audit-key-file", AUDIT_KEY_FILE, "--report-key-file", REPORT_KEY_FILE]);
    let own = own.chain(["--clickhouse", url, "--database", database, "--clickhouse-user", &user]);
    let own = own.chain(["--clickhouse-password", &password]);
    let config = Cli::parse_from(own.chain(flags.iter().copied())).config;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    tokio::spawn(async move {
        // The service reads its keys again as long as it runs.
        let _keys = keys;
        query_api::serve(config, listener, stop).await
    });
    Api { base, issuer, http: reqwest::Client::new(), shutdown }
}

/// The state of a release that covers a hundred people and venues of the whole city, all time and three hops, asked for by
/// `it`.
pub fn release(id: Uuid) -> Value {
    let persons: Vec<u64> = (0..100).map(|number| person(number).to_u64()).chain([0x1123_4567_89ab_cdef]).collect();
    let venues: Vec<u32> = (0..100).chain([u32::MAX]).collect();
    let now_ms = chrono::Utc::now().timestamp_millis();
    json!({"release_id": id, "revision": 7, "district": 310_000, "action": "release", "at_ms": now_ms,
        "command_id": Uuid::from_u128(1), "sender": "wu", "refused": "", "state": "released", "asked_at_ms": now_ms - 60_000,
        "asked_by": "it", "case_number": "C-1", "case_kind": "confirmed", "evidence": "E-1", "purpose": "contact_tracing",
        "persons": persons, "venues": venues, "from_s": 0, "to_s": u32::MAX, "hops": 3, "window_minutes": 1440,
        "expires_at_ms": now_ms + 3_600_000,
        "decided_at_ms": now_ms, "decided_by": "wu", "declined_for": "", "withdrawn_by": ""})
}

/// A key for tokens, and the file with its public half.
pub fn keys() -> (Issuer, tempfile::NamedTempFile) {
    let issuer = Issuer::new(SigningKey::generate("it").expect("a key"));
    let file = tempfile::NamedTempFile::new().expect("a file");
    let jwks = KeySet::rotate(None, Some(issuer.key.public()), &[]).expect("a key set");
    std::fs::write(file.path(), jwks).expect("written");
    (issuer, file)
}

/// A token without any limit.
pub fn token(issuer: &Issuer, role: Role) -> String {
    issuer.issue(role, "it", Scope::default(), chrono::Utc::now().timestamp(), 3600).expect("a token")
}

impl Api {
    /// A request with a token of a role that may use the path.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let role = match path {
            path if ["/v1/stats", "/v1/codes", "/v1/city", "/v1/reminders"]
                .iter()
                .any(|start| path.starts_with(start)) =>
            {
                Role::Regulator
            }
            path if path.starts_with("/v1/applications") || path.contains("/poster") => Role::Reviewer,
            path if path.starts_with("/v1/alerts")
                || path.starts_with("/v1/trips")
                || path.starts_with("/v1/releases") =>
            {
                Role::Supervisor
            }
            _ => Role::Epidemiologist,
        };
        self.bare_request(method, path).bearer_auth(token(&self.issuer, role))
    }

    /// A request without a token.
    pub fn bare_request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// Asks; reads of people's movements name the release that covers them all.
    pub async fn get(&self, path: &str) -> Response {
        let reads = (path.contains("/visits?") || path.contains("/visitors?")) && !path.contains("release=");
        let path = if reads { format!("{path}&release={RELEASE}") } else { path.to_owned() };
        self.request(Method::GET, &path).send().await.expect("an answer")
    }

    /// Asks with one header, or none.
    pub async fn send(&self, method: Method, path: &str, header: Option<(&str, &str)>) -> Response {
        let request = self.request(method, path);
        let request = header.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        request.send().await.expect("an answer")
    }

    pub async fn ok(&self, path: &str) -> Value {
        json(self.get(path).await, 200).await
    }

    pub async fn post(&self, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Response {
        let request = self.request(Method::POST, path).header("content-type", content_type);
        request.body(body).send().await.expect("an answer")
    }

    pub async fn trace(&self, mut body: Value) -> Value {
        body["release"] = json!(RELEASE);
        json(self.post("/v1/traces", "application/json", body.to_string()).await, 200).await
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// The body of an answer with this status.
pub async fn json(response: Response, status: u16) -> Value {
    let (actual, url) = (response.status(), response.url().clone());
    let text = response.text().await.expect("a body");
    assert_eq!(actual, status, "{url} {text}");
    serde_json::from_str(&text).expect("JSON")
}

/// The `field` and the kind of a problem with this status.
pub async fn problem(response: Response, status: u16) -> (String, String) {
    let content_type = response.headers()["content-type"].clone();
    let url = response.url().clone();
    let body = json(response, status).await;
    assert_eq!(content_type, "application/problem+json", "{url}");
    assert_eq!(body["status"], status);
    assert!(body["detail"].is_string(), "{body}");
    let kind = body["type"].as_str().and_then(|kind| kind.strip_prefix("urn:venuecode:problem:"));
    (kind.expect("a kind").to_owned(), body["field"].as_str().unwrap_or_default().to_owned())
}

pub fn person(number: u64) -> PersonKey {
    PersonKey::from_u64(1 << 60 | number).expect("version 1")
}

/// A time of an answer.
pub fn at(seconds: i64) -> String {
    let time = chrono::DateTime::from_timestamp(seconds, 0).expect("a time");
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// `from=…&to=…` from midnight on.
pub fn range(from: i64, to: i64) -> String {
    format!("from={}&to={}", at(MIDNIGHT + from), at(MIDNIGHT + to))
}

/// A plain scan, some seconds after midnight.
pub fn scan(number: u64, venue: u32, after_s: i64) -> ScanRow {
    let (person, scanned_at) = (person(number), MIDNIGHT + after_s);
    let (method, direction) = (schemas::Method::VenueCode, Direction::Entry);
    ScanRow {
        person,
        venue,
        scanned_at,
        method,
        direction,
        verdict: Verdict::Admit,
        reasons: Reasons::NONE,
        exemption: Exemption::None,
        colour_shown: Colour::Green,
        colour: Colour::Green,
        test_result: TestResult::None,
        test_sampled_at: 0,
        district: 310_101,
        category: "retail".to_owned(),
        far_from_venue: false,
        event_id: ScanEvent::derive_id(person, venue, scanned_at, method, direction),
        stream: 1,
        kafka_offset: 0,
    }
}
