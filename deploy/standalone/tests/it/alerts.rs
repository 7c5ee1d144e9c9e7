//! An abnormal scan from the door to the district's office, and what the office does about it.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use chrono::Utc;
use schemas::access::{Limit, Role, Scope};
use serde_json::{Value, json};
use service::access::{Issuer, SigningKey};

use crate::stack::Stack;
use crate::support::http_send;

/// How soon anything shows; how soon it does is printed.
/// When something must have gone wrong; how soon things come, a test on a busy machine cannot say.
const PATIENCE: Duration = Duration::from_secs(60);
const DISTRICT: u32 = 310_101;

struct Desk<'a> {
    stack: &'a Stack,
    issuer: Issuer,
}

impl Desk<'_> {
    fn send(&self, role: Role, (method, path): (&str, &str), body: &str) -> anyhow::Result<(String, Value)> {
        let district = (role.required_limit() == Some(Limit::District)).then_some(DISTRICT);
        let scope = Scope { district, ..Scope::default() };
        let token = self.issuer.issue(role, "office-7", scope, Utc::now().timestamp(), 600)?;
        let service = if method == "GET" { 2 } else { 0 };
        let (status, answer) = http_send(&self.stack.ports.address(service), &token, (method, path), body)?;
        Ok((status, serde_json::from_str(&answer).unwrap_or(Value::String(answer))))
    }

    fn post(&self, role: Role, path: &str, body: &Value) -> anyhow::Result<Value> {
        let (status, answer) = self.send(role, ("POST", path), &body.to_string())?;
        ensure!(status.starts_with('2') && !answer.to_string().contains("\"problem\":{"), "{path}: {status} {answer}");
        Ok(answer)
    }

    /// Asks the office's side until the answer is as it should be; also says how long that took.
    fn soon(&self, path: &str, so: impl Fn(&Value) -> bool) -> anyhow::Result<(Value, Duration)> {
        let started = Instant::now();
        loop {
            let (status, answer) = self.send(Role::District, ("GET", path), "")?;
            if so(&answer) {
                return Ok((answer, started.elapsed()));
            }
            ensure!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {path}: {status} {answer}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The nth person; every person's code is red.
fn key(number: u32) -> String {
    format!("1{number:015x}")
}

#[test]
fn an_abnormal_scan_is_before_the_office_at_once_and_handled_once() -> anyhow::Result<()> {
    const PEOPLE: u32 = 60;
    let stack = Stack::start()?;
    let desk = Desk { stack: &stack, issuer: Issuer::new(SigningKey::read(&stack.token_key())?) };
    for (venue, district) in [(1, DISTRICT), (2, 310_104)] {
        let line = json!({"venue": venue, "name": format!("Venue {venue}"), "category": "catering", "district": district, "address": "1 Road"});
        desk.post(Role::Admin, "/v1/venues:batch", &line)?;
    }
    let since = (Utc::now() - chrono::Duration::days(1)).to_rfc3339();
    for number in 0..=PEOPLE {
        let line = json!({"person": key(number), "colour": "red", "since": since, "issuer": "CDC", "evidence": "E-1", "reason": "test"});
        desk.post(Role::Feed, "/v1/health-codes:batch", &line)?;
    }
    let scan = |number: u32, venue: u32| {
        let at = Utc::now().to_rfc3339();
        let scan = json!({"person": key(number), "venue": venue, "method": "sentinel_health_code", "scanned_at": at});
        desk.post(Role::Device, "/v1/scans", &scan)
    };
    // The gateway learns of venues and colours from Kafka.
    let started = Instant::now();
    while scan(0, 2).ok().is_none_or(|answer| answer["colour"] != "red") {
        ensure!(started.elapsed() < PATIENCE, "the gateway does not know of a red code");
        std::thread::sleep(Duration::from_millis(100));
    }

    let mut waited = Vec::new();
    for number in 1..=PEOPLE {
        let answer = scan(number, 1)?;
        ensure!(answer["verdict"] == "refuse", "{answer}");
        let seen = |list: &Value| list["alerts"].as_array().map_or(0, Vec::len) == number as usize;
        waited.push(desk.soon("/v1/alerts", seen)?.1);
    }
    waited.sort();
    let at = |percent: usize| waited[(waited.len() - 1) * percent / 100].as_millis();
    println!(
        "from the receipt of an abnormal scan until the office sees it: p50 {} ms, p90 {} ms, max {} ms",
        at(50),
        at(90),
        at(100)
    );

    let (list, _) = desk.soon("/v1/alerts?limit=1", |list| list["alerts"][0].is_object())?;
    let alert = list["alerts"][0].clone();
    ensure!(
        alert["kind"] == "abnormal_colour" && alert["colour"] == "red" && alert["venue_name"] == "Venue 1",
        "{alert}"
    );
    let path = format!("/v1/alerts/{}", alert["alert"].as_str().context("an identity")?);
    desk.post(Role::District, &format!("{path}/acknowledgement"), &json!({}))?;
    desk.soon(&path, |alert| alert["state"] == "acknowledged" && alert["acknowledged_by"] == "office-7")?;
    desk.post(Role::Supervisor, &format!("{path}/acknowledgement"), &json!({}))?;
    let disposition = json!({"disposition": "transferred", "note": "张三，120"});
    desk.post(Role::District, &format!("{path}/disposition"), &disposition)?;
    let (handled, _) = desk.soon(&path, |alert| alert["state"] == "disposed")?;
    assert_eq!(handled["disposition_name"]["zh"], "闭环转运", "{handled}");
    let refused: Vec<&Value> = handled["history"].as_array().context("a list")?.iter().map(|e| &e["refused"]).collect();
    assert_eq!(refused, [&Value::Null, &Value::Null, &json!("already_acknowledged"), &Value::Null], "{handled}");
    Ok(())
}
