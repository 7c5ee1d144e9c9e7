//! A small city with one person in it who leaves traces by every door, and a companion who stays.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{Duration, Utc};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use schemas::PersonKey;
use schemas::access::{Role, Scope};
use serde_json::{Value, json};
use service::access::{Issuer, SigningKey};

use crate::privacy::drive::{Service, bodies};
use crate::privacy::search::Needles;
use crate::stack::Stack;
use crate::support::{eventually, http_send, sql};

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);
const DISTRICT: u32 = 410_202;
const VENUE: u32 = 7;
const ORGANISATION: &str = "91310000MA1FL0000N";
/// Was at the venue with the person, and is traced.
const COMPANION: &str = "1fedcba987654321";
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

/// A message as it lay on its topic.
pub struct OldMessage {
    topic: &'static str,
    came_at_ms: i64,
    key: Vec<u8>,
    value: Vec<u8>,
}

/// What answers tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Knowledge {
    /// Of the person, by what was asked for.
    pub of_person: BTreeMap<&'static str, usize>,
    /// How many scans of the companion.
    of_companion: usize,
}

impl Knowledge {
    /// What is to be told of somebody who was never there.
    pub fn none() -> BTreeMap<&'static str, usize> {
        ["alerts", "trips", "health changes", "contacts", "scans"].into_iter().map(|what| (what, 0)).collect()
    }

    /// Whether nothing is told of the person, and of the companion what was before and more.
    pub fn has_lost_only_the_person(&self, before: &Self) -> bool {
        self.of_person == Self::none() && self.of_companion > before.of_companion
    }
}

/// The system as clients see it, and its stores.
pub struct City<'a> {
    stack: &'a Stack,
    issuer: Issuer,
    person: PersonKey,
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
        self.apply_for_another()?;
        let path = self.trace_of_the_companion()?;
        eventually("the traces", || {
            let known = self.knowledge_by(&path).ok()?;
            let is_buried = self.count_of("dead-letters").is_ok_and(|letters| letters > 0);
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

    /// What every answer tells that may be asked for.
    pub fn knowledge(&self) -> anyhow::Result<Knowledge> {
        self.knowledge_by(&self.trace_of_the_companion()?)
    }

    fn knowledge_by(&self, trace: &Value) -> anyhow::Result<Knowledge> {
        let tail = &self.person.to_string()[12..];
        let list = |role: Role, path: &str, name: &str| -> anyhow::Result<Vec<Value>> {
            let answer = self.get((role, "reader"), path)?;
            Ok(answer[name].as_array().with_context(|| format!("{path}: {answer}"))?.clone())
        };
        let masked = |entries: Vec<Value>| {
            entries.iter().filter(|entry| entry["person"].as_str().is_some_and(|key| key.ends_with(tail))).count()
        };
        let (status, answer) = self.send((Role::Epidemiologist, "it"), ("POST", "/v1/traces"), &trace.to_string())?;
        ensure!(status == "200", "{status} {answer}");
        let contacts = answer.matches(&self.person.to_string()).count();
        let time = format!("from={}&to={}", day(-2), day(2));
        let path = format!("/v1/footfall?scope=venue&id={VENUE}&step=day&{time}");
        let counted = list(Role::Regulator, &path, "buckets")?;
        let all: u64 = counted.iter().filter_map(|bucket| bucket["scans"].as_u64()).sum();
        let of_companion = self.rows(&format!("person_id = {}", key_of(COMPANION)))?;
        let changes = format!("/v1/persons/{}/health-changes", self.person);
        let of_person = BTreeMap::from([
            ("alerts", masked(list(Role::District, "/v1/alerts", "alerts")?)),
            ("trips", list(Role::Citizen, "/v1/trips", "trips")?.len()),
            ("health changes", list(Role::Citizen, &changes, "changes")?.len()),
            ("contacts", contacts),
            ("scans", usize::try_from(all)?.saturating_sub(of_companion)),
        ]);
        Ok(Knowledge { of_person, of_companion })
    }

    /// A release for the companion, and what asks by it whom they met.
    fn trace_of_the_companion(&self) -> anyhow::Result<Value> {
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
        self.post((Role::Supervisor, "wu"), &format!("{path}/decision"), &json!({"outcome": "confirm"}))?;
        let is_done = || self.get((Role::Auditor, "auditor"), &path).is_ok_and(|erasure| erasure["state"] == "done");
        eventually("the erasure", || is_done().then_some(()))?;
        let report = format!("{path}/report");
        let (status, report) = self.send((Role::Supervisor, "wu"), ("GET", &report), "")?;
        ensure!(status == "200", "{status} {report}");
        let claims = report.split('.').nth(1).context("no JWS")?;
        Ok(serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims)?)?)
    }

    /// The person comes again, and is somebody new.
    pub fn scan_anew(&self) -> anyhow::Result<Value> {
        self.scan(&self.person.to_string())
    }

    fn scan(&self, person: &str) -> anyhow::Result<Value> {
        let scan = json!({"person": person, "venue": VENUE, "method": "manual", "offline_reason": "elderly",
            "scanned_at": Utc::now().to_rfc3339()});
        self.post((Role::Device, "door"), "/v1/scans", &scan)
    }

    /// Everything of the person on topics whose messages make rows.
    pub fn messages_about_the_person(&self) -> anyhow::Result<Vec<OldMessage>> {
        let needles = Needles::new(&[]).with_person(self.person);
        let mut found = Vec::new();
        for topic in ["scans", "health", "tests", "alerts", "trips", "identities"] {
            let about =
                |message: &OldMessage| !needles.find(&[&message.key[..], &message.value[..]].concat()).is_empty();
            let messages = self.messages(topic)?.into_iter().filter(about).collect::<Vec<_>>();
            ensure!(!messages.is_empty(), "nothing of the person on {topic}");
            found.extend(messages);
        }
        Ok(found)
    }

    /// Puts messages onto their topics once more, as of when they came, and waits until they are dealt with.
    pub fn send_again(&self, messages: &[OldMessage]) -> anyhow::Result<()> {
        for message in messages {
            self.produce(message.topic, (&message.key, &message.value), message.came_at_ms)?;
        }
        // Whatever comes of them came before what comes of this one.
        let before = self.rows(&format!("person_id = {}", key_of(COMPANION)))?;
        self.scan(COMPANION)?;
        eventually("a later scan", || {
            (self.rows(&format!("person_id = {}", key_of(COMPANION))).ok()? > before).then_some(())
        })
    }

    /// ClickHouse keeps the files of what was replaced for minutes, which the test need not wait for.
    pub fn forget_old_parts_at_once(&self) -> anyhow::Result<()> {
        let tables = "SELECT name FROM system.tables WHERE database = 'venuecode' AND engine LIKE '%MergeTree'";
        for table in self.sql(tables)?.lines() {
            self.sql(&format!("ALTER TABLE venuecode.`{table}` MODIFY SETTING old_parts_lifetime = 1"))?;
        }
        Ok(())
    }

    /// No row of any table but these has the person, and no file of a part that was replaced is left.
    pub fn no_table_has(&self, needles: &Needles, but: &[&str]) -> anyhow::Result<()> {
        let not_in = but.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
        let columns = format!(
            "SELECT table, name FROM system.columns WHERE database = 'venuecode' AND table NOT IN ({not_in}) \
             AND type = 'UInt64' AND name IN ('person_id', 'driver_id', 'applicant')"
        );
        let columns = self.sql(&columns)?;
        ensure!(columns.lines().count() >= 5, "which columns hold people? {columns}");
        for line in columns.lines() {
            let (table, column) = line.split_once('\t').context("two columns")?;
            // Not by the key itself, which the log of queries would keep.
            let below = self.person.to_u64() - 1;
            let found = self.sql(&format!("SELECT count() FROM venuecode.`{table}` WHERE {column} - 1 = {below}"))?;
            ensure!(found == "0", "{table}.{column} has the person {found} times");
        }
        for line in self.sql("SELECT command FROM system.mutations WHERE database = 'venuecode'")?.lines() {
            ensure!(needles.find(line.as_bytes()).is_empty(), "a mutation names the person: {line}");
        }
        let inactive = format!(
            "SELECT count() FROM system.parts WHERE database = 'venuecode' AND NOT active AND table NOT IN ({not_in})"
        );
        eventually("old parts to go", || self.sql(&inactive).is_ok_and(|count| count == "0").then_some(()))
    }

    /// The folders of these tables, below the data directory.
    pub fn folders_of(&self, tables: &[&str]) -> anyhow::Result<Vec<String>> {
        let mut folders = Vec::new();
        for table in tables {
            let paths =
                format!("SELECT data_paths[1] FROM system.tables WHERE database = 'venuecode' AND name = '{table}'");
            let path = self.sql(&paths)?;
            let root = self.stack.data.path().canonicalize()?;
            let below = std::path::Path::new(&path).strip_prefix(&root).with_context(|| path.clone())?;
            folders.push(below.display().to_string());
        }
        Ok(folders)
    }

    fn rows(&self, condition: &str) -> anyhow::Result<usize> {
        let count = format!("SELECT count() FROM venuecode.scans_by_venue WHERE venue_id = {VENUE} AND {condition}");
        Ok(self.sql(&count)?.parse()?)
    }

    fn sql(&self, statement: &str) -> anyhow::Result<String> {
        let password = std::fs::read_to_string(self.stack.data.path().join("secrets/clickhouse-admin"))?;
        let (status, answer) = sql(&self.stack.clickhouse(), ("admin", password.trim()), statement)?;
        ensure!(status == "200", "{statement}: {status} {answer}");
        Ok(answer)
    }

    fn count_of(&self, topic: &'static str) -> anyhow::Result<usize> {
        Ok(self.messages(topic)?.len())
    }

    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", self.stack.kafka())
            .set("group.id", "erasure")
            .set("enable.auto.commit", "false");
        client
    }

    fn produce(&self, topic: &str, (key, value): (&[u8], &[u8]), at_ms: i64) -> anyhow::Result<()> {
        let producer: FutureProducer = self.client().create()?;
        let record = FutureRecord::to(topic).key(key).payload(value).timestamp(at_ms);
        futures::executor::block_on(producer.send(record, PATIENCE)).map_err(|(error, _)| error)?;
        Ok(())
    }

    fn messages(&self, topic: &'static str) -> anyhow::Result<Vec<OldMessage>> {
        let consumer: BaseConsumer = self.client().create()?;
        let (mut next, high) = consumer.fetch_watermarks(topic, 0, PATIENCE)?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Offset(next))?;
        consumer.assign(&list)?;
        let mut messages = Vec::new();
        while next < high {
            let message = consumer.poll(PATIENCE).context("nothing comes")??;
            next = message.offset() + 1;
            let part = |part: Option<&[u8]>| part.unwrap_or_default().to_vec();
            let came_at_ms = message.timestamp().to_millis().unwrap_or_default();
            messages.push(OldMessage { topic, came_at_ms, key: part(message.key()), value: part(message.payload()) });
        }
        Ok(messages)
    }

    fn get(&self, who: (Role, &str), path: &str) -> anyhow::Result<Value> {
        let (status, answer) = self.send(who, ("GET", path), "")?;
        ensure!(status == "200", "{path}: {status} {answer}");
        Ok(serde_json::from_str(&answer)?)
    }

    fn post(&self, who: (Role, &str), path: &str, body: &Value) -> anyhow::Result<Value> {
        let (status, answer) = self.send(who, ("POST", path), &body.to_string())?;
        ensure!(status.starts_with('2') && !answer.contains("\"problem\":{"), "{path}: {status} {answer}");
        Ok(serde_json::from_str(&answer)?)
    }

    /// Everything that reads is the query API's.
    fn send(
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
fn key_of(person: &str) -> u64 {
    person.parse::<PersonKey>().map_or(0, PersonKey::to_u64)
}

fn day(days: i64) -> String {
    (Utc::now() + Duration::days(days)).format("%Y-%m-%dT00:00:00Z").to_string()
}

fn merge(into: &mut Value, more: &Value) {
    if let (Some(into), Some(more)) = (into.as_object_mut(), more.as_object()) {
        into.extend(more.clone());
    }
}
