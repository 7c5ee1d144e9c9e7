//! A lorry from its driver's declaration to its destination, through the whole system, and one that nobody declared.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use chrono::Utc;
use schemas::access::{Role, Scope};
use serde_json::{Value, json};
use service::access::{Issuer, SigningKey};

use crate::stack::Stack;
use crate::support::http_send;

/// When something must have gone wrong; how soon things come, a test on a busy machine cannot say.
const PATIENCE: Duration = Duration::from_secs(60);
const DISTRICT: u32 = 410_202;
const CHECKPOINT: u32 = 8;
const DESTINATION: u32 = 9;
const DRIVER: &str = "1123456789abcdef";

struct Road<'a> {
    stack: &'a Stack,
    issuer: Issuer,
}

impl Road<'_> {
    fn send(&self, role: Role, (method, path): (&str, &str), body: &Value) -> anyhow::Result<(String, Value)> {
        let district = (role == Role::District).then_some(DISTRICT);
        let scope = Scope { district, ..Scope::default() };
        let token = self.issuer.issue(role, "it", scope, Utc::now().timestamp(), 600)?;
        let service = if method == "GET" { 2 } else { 0 };
        let (status, answer) =
            http_send(&self.stack.ports.address(service), &token, (method, path), &body.to_string())?;
        Ok((status, serde_json::from_str(&answer).unwrap_or(Value::String(answer))))
    }

    fn post(&self, role: Role, path: &str, body: &Value) -> anyhow::Result<Value> {
        let (status, answer) = self.send(role, ("POST", path), body)?;
        ensure!(status.starts_with('2') && !answer.to_string().contains("\"problem\":{"), "{path}: {status} {answer}");
        Ok(answer)
    }

    /// Asks the office's side until the answer is as it should be.
    fn soon(&self, path: &str, so: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let started = Instant::now();
        loop {
            let (status, answer) = self.send(Role::District, ("GET", path), &Value::Null)?;
            if so(&answer) {
                return Ok(answer);
            }
            ensure!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {path}: {status} {answer}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn scan(&self, venue: u32, plate: &str) -> anyhow::Result<Value> {
        let scan = json!({"person": DRIVER, "venue": venue, "method": "manual", "offline_reason": "no_smartphone",
            "scanned_at": Utc::now().to_rfc3339(), "plate": plate});
        self.post(Role::Device, "/v1/scans", &scan)
    }
}

#[test]
fn a_lorry_closes_its_loop_and_one_that_nobody_declared_is_before_the_office() -> anyhow::Result<()> {
    let stack = Stack::start_with(&["--city", "kaifeng"])?;
    let road = Road { stack: &stack, issuer: Issuer::new(SigningKey::read(&stack.token_key())?) };
    for (venue, category) in [(CHECKPOINT, "freight_checkpoint"), (DESTINATION, "freight_destination")] {
        let line = json!({"venue": venue, "name": format!("Venue {venue}"), "category": category, "district": DISTRICT,
            "address": "1 Road"});
        road.post(Role::Admin, "/v1/venues:batch", &line)?;
    }
    let since = (Utc::now() - chrono::Duration::days(1)).to_rfc3339();
    let green = json!({"person": DRIVER, "colour": "green", "since": since, "issuer": "CDC", "evidence": "E-1", "reason": "test"});
    road.post(Role::Feed, "/v1/health-codes:batch", &green)?;

    let listed = road.soon("/v1/checkpoints", |list| list["checkpoints"][0]["code"].is_string())?;
    let checkpoint = &listed["checkpoints"][0]["venue"];
    let at = |hours: i64| (Utc::now() + chrono::Duration::hours(hours)).to_rfc3339();
    let answers = json!({"name": "张三", "document": {"type": "passport", "number": "E12345678"}, "plate": "豫B12345",
        "phone": "13800000000", "origin": "菏泽", "entry_point": "兰考", "expected_return": at(1),
        "expected_leave": at(24), "fever_cough": false, "risk_area": false});
    let trip = json!({"answers": answers, "checkpoint": checkpoint, "destination": DESTINATION});
    let declared = road.post(Role::Device, "/v1/trips", &trip)?;
    let path = declared["follow"].as_str().context("a path")?;
    road.soon(path, |trip| trip["state"] == "declared")?;

    let entered = road.scan(CHECKPOINT, "豫B12345")?;
    ensure!(entered["verdict"] == "admit" && entered["trip"]["outcome"] == "entered", "{entered}");
    road.soon(path, |trip| trip["state"] == "entered")?;
    let stray = road.scan(CHECKPOINT, "豫BD12345")?;
    ensure!(stray["trip"]["outcome"] == "undeclared", "{stray}");
    let closed = road.scan(DESTINATION, "豫b·12345")?;
    ensure!(closed["trip"]["outcome"] == "closed", "{closed}");
    let trip = road.soon(path, |trip| trip["state"] == "closed")?;
    ensure!(trip["history"].as_array().map(Vec::len) == Some(3), "{trip}");

    let alerts = road.soon("/v1/alerts", |list| list["alerts"][0].is_object())?;
    let alert = &alerts["alerts"][0];
    ensure!(alert["kind"] == "undeclared_trip" && alert["vehicle"].is_string(), "{alerts}");
    ensure!(alerts["alerts"].as_array().map(Vec::len) == Some(1), "only the stray: {alerts}");
    let undeclared = road.soon("/v1/trips?state=undeclared", |list| list["trips"][0].is_object())?;
    ensure!(undeclared["trips"][0]["entered_by"]["venue"] == CHECKPOINT, "{undeclared}");
    Ok(())
}
