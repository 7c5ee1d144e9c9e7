//! A reminder from the regulator to the organisation and back, through the whole system, and one that nobody settled.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use chrono::Utc;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use schemas::ReminderEvent;
use schemas::access::{Limit, Role, Scope};
use serde_json::{Value, json};
use service::access::{Issuer, SigningKey};
use uuid::Uuid;

use crate::stack::Stack;
use crate::support::http_send;

/// When something must have gone wrong; how soon things come, a test on a busy machine cannot say.
const PATIENCE: Duration = Duration::from_secs(60);
const DISTRICT: u32 = 310_101;
const VENUE: u32 = 7;
const ORGANISATION: &str = "91310000MA1FL0000N";

struct Desk<'a> {
    stack: &'a Stack,
    issuer: Issuer,
}

impl Desk<'_> {
    fn send(&self, role: Role, (method, path): (&str, &str), body: &str) -> anyhow::Result<(String, Value)> {
        let mut scope = Scope::default();
        match role.required_limit() {
            Some(Limit::District) => scope.district = Some(DISTRICT),
            Some(Limit::Organisation) => scope.organisation = Some(ORGANISATION.to_owned()),
            _ => {}
        }
        let token = self.issuer.issue(role, role.as_str(), scope, Utc::now().timestamp(), 600)?;
        let service = if method == "GET" { 2 } else { 0 };
        let (status, answer) = http_send(&self.stack.ports.address(service), &token, (method, path), body)?;
        Ok((status, serde_json::from_str(&answer).unwrap_or(Value::String(answer))))
    }

    fn post(&self, role: Role, path: &str, body: &Value) -> anyhow::Result<Value> {
        let (status, answer) = self.send(role, ("POST", path), &body.to_string())?;
        ensure!(status.starts_with('2') && !answer.to_string().contains("\"problem\":{"), "{path}: {status} {answer}");
        Ok(answer)
    }

    /// Reminds that nobody scans the venue's code, and gives where that can be followed.
    fn remind(&self) -> anyhow::Result<String> {
        let day = Utc::now() + chrono::Duration::days(7);
        let body = json!({"matter": "no_scans", "venue": VENUE, "deadline": day.format("%Y-%m-%d").to_string()});
        let answer = self.post(Role::Regulator, "/v1/reminders", &body)?;
        Ok(answer["follow"].as_str().context("a path")?.to_owned())
    }

    /// Asks until the answer is as it should be.
    fn soon(&self, role: Role, path: &str, so: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let started = Instant::now();
        loop {
            let (status, answer) = self.send(role, ("GET", path), "")?;
            if so(&answer) {
                return Ok(answer);
            }
            ensure!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {path}: {status} {answer}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Reminds behind the gateway's back, as if its day had been yesterday.
fn remind_too_late(stack: &Stack) -> anyhow::Result<Uuid> {
    let now = Utc::now().timestamp();
    let reminder = ReminderEvent::derive_id(DISTRICT, "li", Uuid::nil());
    let event = json!({"v": 1, "district": DISTRICT, "at_ms": (now - 2 * 86_400) * 1000, "action": {"type": "send",
        "reminder": reminder, "by": "li", "organisation": ORGANISATION, "matter": "no_code", "due_at": now - 86_400}});
    let mut config = ClientConfig::new();
    // As the services do: a reminder whose messages lie in two partitions would be two half ones.
    let producer: BaseProducer =
        config.set("bootstrap.servers", stack.kafka()).set("partitioner", "murmur2_random").create()?;
    let (key, payload) = (DISTRICT.to_string(), event.to_string());
    let record = BaseRecord::to("reminders").key(&key).payload(&payload);
    producer.send(record).map_err(|(error, _)| error)?;
    producer.flush(Duration::from_secs(20))?;
    Ok(reminder)
}

#[test]
fn an_organisation_is_reminded_answers_and_is_reminded_again_and_what_is_left_is_escalated() -> anyhow::Result<()> {
    let mut stack = Stack::start()?;
    let desk = Desk { stack: &stack, issuer: Issuer::new(SigningKey::read(&stack.token_key())?) };
    let line = json!({"venue": VENUE, "name": "茶馆", "category": "catering", "district": DISTRICT,
        "address": "福州路1号", "organisation": ORGANISATION});
    desk.post(Role::Admin, "/v1/venues:batch", &line)?;
    let path = desk.remind()?;
    desk.soon(Role::Regulator, &path, |reminder| reminder["state"] == "sent")?;
    // The venue is stored by another way than the reminder, and its name may come later.
    let own = desk.soon(Role::Operator, "/v1/reminders", |list| list["reminders"][0]["venue_name"] == "茶馆")?;
    ensure!(own["reminders"][0]["sent_by"].is_null(), "{own}");
    let second = desk.remind()?;
    let refused = desk.soon(Role::Regulator, &second, |reminder| reminder["state"] == "refused")?;
    ensure!(path.ends_with(refused["open_instead"].as_str().context("the other one")?), "{refused}");

    desk.post(Role::Operator, &format!("{path}/answer"), &json!({"reply": "mending", "note": "明日张贴"}))?;
    desk.soon(Role::District, &path, |reminder| reminder["reply_note"] == "明日张贴")?;
    desk.post(Role::Regulator, &format!("{path}/settle"), &json!({"outcome": "not_mended"}))?;
    let settled = desk.soon(Role::Operator, &path, |reminder| reminder["state"] == "settled")?;
    ensure!(settled["outcome_name"]["zh"] == "整改不到位，再次提醒", "{settled}");
    // Whoever folds the log again knows what was said before.
    stack.restart()?;
    let desk = Desk { stack: &stack, issuer: Issuer::new(SigningKey::read(&stack.token_key())?) };
    let third = desk.remind()?;
    desk.soon(Role::Operator, &third, |reminder| reminder["state"] == "sent" && reminder["times"] == 2)?;

    let late = remind_too_late(&stack)?;
    let overdue = |list: &Value| list["reminders"][0]["reminder"] == late.to_string();
    let list = desk.soon(Role::District, "/v1/reminders?state=escalated", overdue)?;
    ensure!(list["reminders"].as_array().map(Vec::len) == Some(1), "{list}");
    Ok(())
}
