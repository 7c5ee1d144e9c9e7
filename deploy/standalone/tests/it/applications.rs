//! A venue code from its application to the door: each state is to be seen within two seconds of the command.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use schemas::access::{Role, Scope};
use serde_json::{Value, json};
use service::access::{Issuer, SigningKey};

use crate::stack::Stack;
use crate::support::http_send;

/// How soon a command shows.
/// When something must have gone wrong; how soon things come, a test on a busy machine cannot say.
const PATIENCE: Duration = Duration::from_secs(60);
const ORGANISATION: &str = "91310000MA1FL0000N";

/// An operator of the organisation and a reviewer of the city.
struct Office<'a> {
    stack: &'a Stack,
    issuer: Issuer,
}

impl<'a> Office<'a> {
    fn new(stack: &'a Stack) -> anyhow::Result<Self> {
        Ok(Self { stack, issuer: Issuer::new(SigningKey::read(&stack.token_key())?) })
    }

    fn send(&self, service: usize, method: &str, path: &str, body: &str) -> anyhow::Result<(String, String)> {
        let by_reviewer = path.ends_with("/reviews") || path.contains("district=");
        let organisation = (!by_reviewer).then(|| ORGANISATION.to_owned());
        let role = if by_reviewer { Role::Reviewer } else { Role::Operator };
        let scope = Scope { organisation, ..Scope::default() };
        let token = self.issuer.issue(role, "it", scope, chrono::Utc::now().timestamp(), 600)?;
        http_send(&self.stack.ports.address(service), &token, (method, path), body)
    }

    /// Sends a command and gives where it can be followed.
    fn command(&self, path: &str, body: &Value) -> anyhow::Result<String> {
        let (status, answer) = self.send(0, "POST", path, &body.to_string())?;
        ensure!(status == "202", "{path}: {status} {answer}");
        let answer: Value = serde_json::from_str(&answer)?;
        Ok(answer["follow"].as_str().context("no path to follow")?.to_owned())
    }

    /// Asks until the answer is as it should be, for two seconds.
    fn soon(&self, service: usize, path: &str, what: &str, so: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let started = Instant::now();
        loop {
            let (status, answer) = self.send(service, "GET", path, "")?;
            let json = serde_json::from_str(&answer).unwrap_or(Value::Null);
            if so(&json) {
                return Ok(json);
            }
            ensure!(started.elapsed() < PATIENCE, "not {what} within {PATIENCE:?}: {path}: {status} {answer}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn state(&self, path: &str, state: &str) -> anyhow::Result<Value> {
        self.soon(2, path, state, |answer| answer["state"] == state)
    }

    /// Waits until the gateway says of a code what it should: the venue, or the kind of a problem.
    fn at_the_door(&self, code: &str, so: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        self.soon(0, &format!("/v1/codes/{code}"), "so at the door", so)
    }
}

fn application(request: u8, applicant: &str, category: &str, address: &str) -> Value {
    json!({"request_id": format!("018f0000-0000-7000-8000-0000000000{request:02}"), "channel": "mobile",
        "applicant": {"kind": applicant, "person": "1123456789abcdef"},
        "organisation": {"credit_code": ORGANISATION, "name": "茶业公司", "kind": "company"},
        "category": category, "name": "茶馆", "district": 310_101, "address": address,
        "responsible": {"name": "张三", "phone": "13800000000"}})
}

fn revoked(answer: &Value) -> bool {
    answer["type"] == "urn:venuecode:problem:revoked-code"
}

#[test]
fn a_code_is_applied_for_reviewed_issued_anew_and_revoked() -> anyhow::Result<()> {
    let stack = Stack::start()?;
    let office = Office::new(&stack)?;
    let submit = |request, address: &str| {
        office.command("/v1/applications", &application(request, "agent", "catering", address))
    };
    let by_organisation = json!({"organisation": ORGANISATION});

    let path = submit(1, "福州路1号")?;
    office.state(&path, "submitted")?;
    let vague = json!({"organisation": ORGANISATION, "outcome": "reject", "reason": "vague_address", "note": "几楼？"});
    office.command(&format!("{path}/reviews"), &vague)?;
    let rejected = office.state(&path, "rejected")?;
    assert_eq!(rejected["history"][1]["reason"], "vague_address", "{rejected}");
    assert_eq!(rejected["history"][1]["note"], "几楼？", "{rejected}");
    assert_eq!(rejected["code"], Value::Null, "{rejected}");

    // It comes again with what was missing; the same data a second time is a duplicate that names the other one.
    let path = submit(2, "福州路1号2楼")?;
    office.state(&path, "submitted")?;
    let duplicate = office.state(&submit(3, "福州路１號二樓")?, "rejected")?;
    assert_eq!(duplicate["history"][0]["reason"], "duplicate", "{duplicate}");
    assert!(path.ends_with(duplicate["history"][0]["duplicate_of"].as_str().context("no other one")?), "{duplicate}");

    office.command(&format!("{path}/reviews"), &json!({"organisation": ORGANISATION, "outcome": "approve"}))?;
    let approved = office.state(&path, "approved")?;
    let code = |answer: &Value| answer["code"].as_str().map(str::to_owned).context("no code");
    let (venue, first) = (approved["venue"].clone(), code(&approved)?);
    assert_eq!(office.at_the_door(&first, |answer| answer["venue"] == venue)?["address"], "福州路1号2楼");

    office.command(&format!("/v1/venues/{venue}/reissue"), &by_organisation)?;
    let reissued = office.soon(2, &path, "issued anew", |answer| answer["history"][2]["serial"] == 1)?;
    let second = code(&reissued)?;
    office.at_the_door(&second, |answer| answer["venue"] == venue)?;
    office.at_the_door(&first, revoked)?;

    let follow = office.command(&format!("/v1/venues/{venue}/revocation"), &by_organisation)?;
    let by_venue = office.soon(2, &follow, "revoked", |answer| answer["applications"][0]["state"] == "revoked")?;
    assert_eq!(by_venue["applications"].as_array().map(Vec::len), Some(1), "{by_venue}");
    office.at_the_door(&second, revoked)?;

    // "My records" of the organisation (S0), the last changed first.
    let all = office.soon(2, "/v1/applications?organisation=me", "three", |answer| {
        answer["applications"].as_array().is_some_and(|all| all.len() == 3)
    })?;
    assert_eq!(all["applications"][0]["state"], "revoked", "{all}");
    let queue = office.soon(2, "/v1/applications?district=31&state=rejected", "two", |answer| {
        answer["applications"].as_array().is_some_and(|all| all.len() == 2)
    })?;
    assert!(!queue.to_string().contains("张三"), "{queue}");
    let none = office.soon(2, "/v1/applications?district=32", "none", |answer| answer["applications"] == json!([]))?;
    assert_eq!(none["truncated"], false);
    Ok(())
}

#[test]
fn a_city_that_issues_at_once_has_the_code_within_two_seconds() -> anyhow::Result<()> {
    let stack = Stack::start_with(&["--city", "shandong"])?;
    let office = Office::new(&stack)?;
    let path = office.command("/v1/applications", &application(1, "administrator", "bus", "鲁A00001"))?;
    let approved = office.state(&path, "approved")?;
    let code = approved["code"].as_str().context("no code")?;
    office.at_the_door(code, |answer| answer["category"] == "bus")?;
    Ok(())
}
