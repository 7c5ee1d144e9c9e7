//! A bulk change of health codes through the whole system: made, refused to its maker, released, and seen at the door.

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

struct Accounts<'a> {
    stack: &'a Stack,
    issuer: Issuer,
}

impl Accounts<'_> {
    fn send(&self, (role, account): (Role, &str), path: &str, lines: &[Value]) -> anyhow::Result<(String, Value)> {
        let token = self.issuer.issue(role, account, Scope::default(), Utc::now().timestamp(), 600)?;
        let (method, service) = if lines.is_empty() { ("GET", 2) } else { ("POST", 0) };
        let body = lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
        let (status, answer) = http_send(&self.stack.ports.address(service), &token, (method, path), &body)?;
        Ok((status, serde_json::from_str(&answer).unwrap_or(Value::String(answer))))
    }

    fn colour(&self, person: &Value) -> anyhow::Result<Value> {
        let scan = json!({"person": person, "venue": 1, "method": "sentinel_health_code"});
        Ok(self.send((Role::Device, "door"), "/v1/scans", &[scan])?.1["colour"].clone())
    }

    fn until(&self, what: &str, so: impl Fn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
        let started = Instant::now();
        while !so()? {
            ensure!(started.elapsed() < PATIENCE, "not {what} within {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

#[test]
fn a_bulk_change_is_in_force_once_a_second_account_has_sent_the_same() -> anyhow::Result<()> {
    let stack = Stack::start()?;
    let accounts = Accounts { stack: &stack, issuer: Issuer::new(SigningKey::read(&stack.token_key())?) };
    let venue =
        json!({"venue": 1, "name": "Venue 1", "category": "catering", "district": 310_101, "address": "1 Road"});
    accounts.send((Role::Admin, "admin"), "/v1/venues:batch", &[venue])?;
    let since = (Utc::now() - chrono::Duration::hours(1)).to_rfc3339();
    let line = |n: u32| json!({"person": format!("1{n:015x}"), "colour": "red", "since": since, "issuer": "CDC", "evidence": "E-1", "reason": "test"});
    let mut batch: Vec<Value> = (0..150).map(line).collect();
    let (status, answer) = accounts.send((Role::Feed, "maker"), "/v1/health-codes:batch", &batch)?;
    ensure!(status.contains("202"), "{status} {answer}");
    let path = answer["follow"].as_str().context("a path")?.to_owned();
    let release = format!("{path}/release");
    let book = || Ok::<_, anyhow::Error>(accounts.send((Role::Auditor, "auditor"), &path, &[])?.1);

    accounts.send((Role::Feed, "maker"), &release, &batch)?;
    accounts.send((Role::Feed, "checker"), &release, &batch[1..])?;
    let refusals = || {
        let history = book()?["history"].as_array().cloned().unwrap_or_default();
        Ok::<_, anyhow::Error>(history.into_iter().map(|entry| entry["refused"].clone()).collect::<Vec<_>>())
    };
    accounts.until("refused", || Ok(refusals()?.len() == 3))?;
    assert_eq!(refusals()?[1..], [json!("own_proposal"), json!("other_changes")]);
    assert_eq!(accounts.colour(&batch[7]["person"])?, "unknown", "nothing of it is in force");

    batch.reverse();
    accounts.send((Role::Feed, "checker"), &release, &batch)?;
    accounts.until("released", || Ok(book()?["state"] == "released"))?;
    let told = book()?;
    assert_eq!((&told["made_by"], &told["released_by"]), (&json!("maker"), &json!("checker")), "{told}");
    for line in &batch {
        accounts.until("red at the door", || Ok(accounts.colour(&line["person"])? == "red"))?;
    }
    Ok(())
}
