//! What names a person is found nowhere: not on Kafka, not in ClickHouse, not in a log, not in a metric, however
//! written.
//!
//! Every route of both services gets names, document numbers, phones and addresses in every place where a client could
//! put them. Then everything that can be asked is searched, the system is stopped, and every byte that it left is too.

pub mod bodies;
pub mod drive;
pub mod search;
pub mod secrets;

use anyhow::{Context, ensure};
use benches::releases::Wanted;
use schemas::access::Role;
use schemas::{Document, DocumentType, PersonKey};
use serde_json::{Value, json};
use service::access::{Issuer, SigningKey};

use crate::stack::Stack;
use crate::support::eventually;
use bodies::bodies;
use drive::Service;
use search::{Needles, Storage};
use secrets::{DECOY, NAME, SECRETS};

#[test]
fn nothing_that_names_a_person_is_left_anywhere() -> anyhow::Result<()> {
    let log_all = [("VENUECODE_LOG", "debug")];
    let mut stack = Stack::start_with_environment(&["--city", "kaifeng", "--query-log", "true"], &log_all)?;
    let issuer = Issuer::new(SigningKey::read(&stack.token_key())?);
    let ingest = Service::try_new(stack.ports.address(0), &issuer)?;
    let query = Service::try_new(stack.ports.address(2), &issuer)?;

    // What is right is taken with the names in it; or the search would find nothing for want of anything to find.
    for body in bodies() {
        let service = if body.path.starts_with("/v1/traces") { &query } else { &ingest };
        service.expect_taken(&body)?;
    }
    let asked = ingest.drive_everywhere()? + query.drive_everywhere()?;
    ensure!(asked > 2_000, "only {asked} requests: are all routes in the API document?");
    let person = PersonKey::derive(&stack.person_keys()?, &Document::try_new(DocumentType::IdCard, secrets::ID_CARD)?);
    let by = ingest.released(&query, person)?;
    eventually("the scan to be stored", || query.visits(person, &by).is_ok_and(|visits| visits > 0).then_some(()))?;

    // Who may is shown the name, and nothing else here is.
    let path = format!("/v1/persons/{person}/identity?release={by}");
    let opened =
        || query.get(Role::Epidemiologist, &path).is_ok_and(|(status, text)| status == 200 && text.contains(NAME));
    eventually("the name to be shown", || opened().then_some(()))?;

    let (needles, decoys) = (Needles::new(&SECRETS), Needles::new(&[DECOY]));
    let storage = Storage::try_new(&stack)?;
    storage.plant(DECOY)?;
    let live = storage.everything()?;
    for (place, bytes) in &live {
        ensure!(needles.find(bytes).is_empty(), "{place}: {:?}", needles.find(bytes));
    }
    let found_at = |start: &str| live.iter().any(|(place, bytes)| place.starts_with(start) && decoys.has_all(bytes));
    for place in ["topic dead-letters", "table default.planted", "table system.query_log"] {
        ensure!(found_at(place), "the search does not find what was planted in {place}");
    }

    stack.stop()?;
    let files = search::files(stack.data.path())?;
    for (path, bytes) in &files {
        ensure!(needles.find(bytes).is_empty(), "{path}: {:?}", needles.find(bytes));
    }
    for folder in ["kafka/", "logs/"] {
        let found = files.iter().any(|(path, bytes)| path.starts_with(folder) && decoys.has_all(bytes));
        ensure!(found, "the search does not find what was planted in {folder}");
    }
    for file in ["logs/ingest.log", "logs/query-api.log", "logs/processor.log", "logs/clickhouse.log"] {
        let log = files.iter().find(|(path, _)| path == file).with_context(|| format!("{file} is not there"))?;
        ensure!(!log.1.is_empty(), "{file} is empty");
    }
    Ok(())
}

impl Service<'_> {
    /// A release for the visits of a person: two accounts, and the service that says when it is in force.
    fn released(&self, query: &Service<'_>, person: PersonKey) -> anyhow::Result<String> {
        let (now, day) = (chrono::Utc::now().timestamp(), 24 * 3600);
        let wanted = Wanted { persons: &[person], venues: &[], time: (now - 2 * day, now + 3 * day), hops: 1 };
        let asked = self.post_as((Role::Epidemiologist, "it"), "/v1/releases", &wanted.body())?;
        let release = asked["command"].as_str().context("no release")?.to_owned();
        let path = format!("/v1/releases/{release}/decision");
        self.post_as((Role::Supervisor, "supervisor"), &path, &json!({"outcome": "release"}))?;
        let path = format!("/v1/releases/{release}");
        let in_force =
            || query.get(Role::Epidemiologist, &path).is_ok_and(|(_, text)| text.contains("\"in_force\":true"));
        eventually("the release", || in_force().then_some(()))?;
        Ok(release)
    }

    /// How many visits of a person are stored.
    fn visits(&self, person: PersonKey, by: &str) -> anyhow::Result<usize> {
        let day = |days: i64| (chrono::Utc::now() + chrono::Duration::days(days)).format("%Y-%m-%dT00:00:00Z");
        let path = format!("/v1/persons/{person}/visits?from={}&to={}&release={by}", day(-1), day(2));
        let (status, answer) = self.get(Role::Epidemiologist, &path)?;
        ensure!(status == 200, "{path}: {status} {answer}");
        let answer: Value = serde_json::from_str(&answer)?;
        Ok(answer["visits"].as_array().context("no visits")?.len())
    }
}
