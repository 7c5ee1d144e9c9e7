//! A small city with one person in it who leaves traces by every door, and a companion who stays.

use anyhow::{Context, ensure};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{Duration, Utc};
use schemas::PersonKey;
use schemas::access::{Role, Scope};
use serde_json::{Value, json};
use service::access::{Issuer, SigningKey};
use uuid::Uuid;

use crate::privacy::{
    bodies::{ORGANISATION, bodies},
    drive::Service,
};
use crate::stack::Stack;
use crate::support::{eventually, http_send};

pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);
pub const DISTRICT: u32 = 410_202;
pub const VENUE: u32 = 7;
/// Was at the venue with the person, and is traced.
pub const COMPANION: &str = "1fedcba987654321";
/// Doors by which the person leaves traces, in the order of [`bodies`].
const DOORS: [&str; 7] = [
    "/v1/venues:batch",
    "/v1/health-codes:batch",
    "/v1/tests:batch",
    "/v1/trips",
    "/v1/people",
    "/v1/scans",
    "/v1/scans:batch",
];

/// The system as clients see it, and its stores.
pub struct City<'a> {
    pub stack: &'a Stack,
    issuer: Issuer,
    pub person: PersonKey,
}

impl<'a> City<'a> {
    pub fn try_new(stack: &'a Stack, person: PersonKey) -> anyhow::Result<Self> {
        Ok(Self { stack, issuer: Issuer::new(SigningKey::read(&stack.token_key())?), person })
    }

    /// By every door, until all of it is stored.
    pub fn leave_traces(&self) -> anyhow::Result<()> {
        let gateway = Service::try_new(self.stack.ports.address(0), &self.issuer)?;
        for body in bodies().into_iter().filter(|body| DOORS.contains(&body.path)) {
            gateway.expect_taken(&body)?;
        }
        let (person, hour_ago) = (self.person, (Utc::now() - Duration::hours(1)).to_rfc3339());
        // A second red code within the hour waits for another account.
        let red = |key: &dyn ToString| {
            json!({"person": key.to_string(), "colour": "red", "since": hour_ago, "issuer": "CDC", "evidence": "E2",
                "reason": "contact"})
            .to_string()
        };
        let lines = format!("{}\n{}", red(&COMPANION), red(&person));
        let (status, answer) = self.send((Role::Feed, "maker"), ("POST", "/v1/health-codes:batch"), &lines)?;
        ensure!(status == "202", "{status} {answer}");
        let child = json!({"answers": {"name": "张小三", "document": {"type": "passport", "number": "E7654321"},
            "address": "福州路1号", "severe_area": false, "contact": false, "temperature": false}, "offline_reason": "child"});
        let path = format!("/v1/people/{person}/dependants");
        self.post((Role::Citizen, "citizen"), &path, &child)?;
        self.scan(COMPANION)?;
        let garbage = json!({"v": 99, "person": person, "accepted_at_ms": 1}).to_string().into_bytes();
        self.produce("scans", (person.to_string().as_bytes(), &garbage), Utc::now().timestamp_millis())?;
        // At a venue that the directory does not have: it can be sent back one day.
        let (now, stray) = (Utc::now(), Uuid::now_v7());
        let stray = json!({"v": 1, "event_id": stray, "person": person, "venue": 999_999, "method": "manual",
            "direction": "entry", "scanned_at": now.timestamp(), "accepted_at_ms": now.timestamp_millis(),
            "verdict": "admit", "colour": "green"});
        let stray = stray.to_string().into_bytes();
        self.produce("scans", (person.to_string().as_bytes(), &stray), now.timestamp_millis())?;
        self.apply_for_another()?;
        let path = self.trace_of_the_companion()?;
        eventually("the traces", || {
            let known = self.knowledge_by(&path).ok()?;
            let is_buried = self.count_of("dead-letters").is_ok_and(|letters| letters > 1);
            (is_buried && known.of_companion > 0 && known.of_person.values().all(|count| *count > 0)).then_some(())
        })
    }

    /// Somebody else's application for a code, so that the search has one to look at.
    fn apply_for_another(&self) -> anyhow::Result<()> {
        let application = json!({"channel": "mobile",
            "applicant": {"kind": "manager", "document": {"type": "passport", "number": "E7654321"}},
            "organisation": {"credit_code": ORGANISATION, "name": "茶业公司", "kind": "company"},
            "category": "restaurant", "name": "茶馆", "district": DISTRICT, "address": "福州路1号",
            "responsible": {"name": "张三", "phone": "13800138000"}});
        self.post((Role::Operator, "operator"), "/v1/applications", &application)?;
        Ok(())
    }

    /// A release for the companion, and what asks by it whom they met.
    pub fn trace_of_the_companion(&self) -> anyhow::Result<Value> {
        let time = json!({"from": day(-2), "to": day(2)});
        let mut wanted = json!({"district": 410_000, "case": "C-1", "case_kind": "confirmed", "evidence": "E1",
            "purpose": "contact_tracing", "persons": [COMPANION], "hops": 1, "window_minutes": 1440});
        merge(&mut wanted, &time);
        let release = self.post((Role::Epidemiologist, "it"), "/v1/releases", &wanted)?["command"].clone();
        let path = format!("/v1/releases/{}", release.as_str().context("no release")?);
        self.post((Role::Supervisor, "wu"), &format!("{path}/decision"), &json!({"outcome": "release"}))?;
        let in_force = || self.get((Role::Epidemiologist, "it"), &path).is_ok_and(|it| it["in_force"] == true);
        eventually("the release", || in_force().then_some(()))?;
        let mut trace = json!({"person": COMPANION, "rule": "window", "window_minutes": 60, "release": release});
        merge(&mut trace, &time);
        Ok(trace)
    }

    /// Erases the person, and gives what the signed report says.
    pub fn erase(&self) -> anyhow::Result<Value> {
        let wanted =
            json!({"district": DISTRICT, "person": self.person, "basis": "consent_withdrawn", "evidence": "E-1"});
        let asked = self.post((Role::District, "office"), "/v1/erasures", &wanted)?;
        let path = format!("/v1/erasures/{}", asked["command"].as_str().context("no erasure")?);
        self.post(
            (Role::Supervisor, "wu"),
            &format!("{path}/decision"),
            &json!({"outcome": "confirm", "person": self.person}),
        )?;
        let is_done = || self.get((Role::Auditor, "auditor"), &path).is_ok_and(|erasure| erasure["state"] == "done");
        eventually("the erasure", || is_done().then_some(()))?;
        let report = format!("{path}/report");
        let (status, report) = self.send((Role::Supervisor, "wu"), ("GET", &report), "")?;
        ensure!(status == "200", "{status} {report}");
        let claims = report.split('.').nth(1).context("no JWS")?;
        Ok(serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims)?)?)
    }

    /// Lets the companion be traced by a job, and gives its path once it is done and names the person.
    pub fn traced_by_a_job(&self) -> anyhow::Result<String> {
        let trace = self.trace_of_the_companion()?;
        let job = self.post((Role::Epidemiologist, "it"), "/v1/traces/jobs", &trace)?;
        let path = format!("/v1/traces/jobs/{}", job["job"].as_str().context("no job")?);
        let is_done = || self.get((Role::Epidemiologist, "it"), &path).is_ok_and(|job| job["state"] == "done");
        eventually("the job", || is_done().then_some(()))?;
        let result = self.get((Role::Epidemiologist, "it"), &format!("{path}/result"))?.to_string();
        ensure!(result.contains(&self.person.to_string()), "the job has not found the person: {result}");
        Ok(path)
    }

    /// Letters of the person are not sent back, whoever asks for all.
    pub fn letters_stay(&self) -> anyhow::Result<()> {
        let kafka = self.stack.kafka();
        let told = self.stack.run(&["dead-letters", "replay", "--all", "--yes", "--kafka", &kafka]);
        // It fails when nothing is left to be sent.
        let told = told.unwrap_or_else(|error| error.to_string());
        ensure!(told.contains("is of a person who was erased since"), "{told}");
        Ok(())
    }

    /// Nothing of a job can be fetched any more.
    pub fn has_no_result(&self, job: &str) -> anyhow::Result<()> {
        let who = (Role::Epidemiologist, "it");
        let (status, answer) = self.send(who, ("GET", &format!("{job}/result")), "")?;
        ensure!(status == "410" && answer.contains("job-outdated"), "{status} {answer}");
        Ok(())
    }

    /// The person comes again, and is somebody new.
    pub fn scan_anew(&self) -> anyhow::Result<Value> {
        self.scan(&self.person.to_string())
    }

    pub fn scan(&self, person: &str) -> anyhow::Result<Value> {
        let scan = json!({"person": person, "venue": VENUE, "method": "manual", "offline_reason": "elderly",
            "scanned_at": Utc::now().to_rfc3339()});
        self.post((Role::Device, "door"), "/v1/scans", &scan)
    }

    pub fn get(&self, who: (Role, &str), path: &str) -> anyhow::Result<Value> {
        let (status, answer) = self.send(who, ("GET", path), "")?;
        ensure!(status == "200", "{path}: {status} {answer}");
        Ok(serde_json::from_str(&answer)?)
    }

    pub fn post(&self, who: (Role, &str), path: &str, body: &Value) -> anyhow::Result<Value> {
        let (status, answer) = self.send(who, ("POST", path), &body.to_string())?;
        ensure!(status.starts_with('2') && !answer.contains("\"problem\":{"), "{path}: {status} {answer}");
        Ok(serde_json::from_str(&answer)?)
    }

    /// Everything that reads is the query API's.
    pub fn send(
        &self,
        (role, account): (Role, &str),
        (method, path): (&str, &str),
        body: &str,
    ) -> anyhow::Result<(String, String)> {
        let scope = match role {
            Role::Citizen => Scope { person: Some(self.person), ..Scope::default() },
            Role::Operator => Scope { organisation: Some(ORGANISATION.to_owned()), ..Scope::default() },
            Role::District => Scope { district: Some(DISTRICT), ..Scope::default() },
            _ => Scope::default(),
        };
        let token = self.issuer.issue(role, account, scope, Utc::now().timestamp(), 600)?;
        let service = if method == "GET" || path.starts_with("/v1/traces") { 2 } else { 0 };
        http_send(&self.stack.ports.address(service), &token, (method, path), body)
    }
}

/// The number of a key.
pub fn key_of(person: &str) -> u64 {
    person.parse::<PersonKey>().map_or(0, PersonKey::to_u64)
}

pub fn day(days: i64) -> String {
    (Utc::now() + Duration::days(days)).format("%Y-%m-%dT00:00:00Z").to_string()
}

fn merge(into: &mut Value, more: &Value) {
    if let (Some(into), Some(more)) = (into.as_object_mut(), more.as_object()) {
        into.extend(more.clone());
    }
}
