//! What answers tell of the person, and of the companion who stays.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use schemas::access::Role;
use serde_json::{Value, json};

use super::city::{COMPANION, City, VENUE, day, key_of};

/// What answers tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Knowledge {
    /// Of the person, by what was asked for.
    pub of_person: BTreeMap<&'static str, usize>,
    /// How many scans of the companion.
    pub of_companion: usize,
}

impl Knowledge {
    /// What is to be told of somebody who was never there.
    pub fn none() -> BTreeMap<&'static str, usize> {
        ["alerts", "trips", "health changes", "contacts", "scans", "identities"]
            .into_iter()
            .map(|what| (what, 0))
            .collect()
    }

    /// Whether nothing is told of the person, and of the companion what was before and more.
    pub fn has_lost_only_the_person(&self, before: &Self) -> bool {
        self.of_person == Self::none() && self.of_companion > before.of_companion
    }
}

impl City<'_> {
    /// What every answer tells that may be asked for.
    pub fn knowledge(&self) -> anyhow::Result<Knowledge> {
        self.knowledge_by(&self.trace_of_the_companion()?)
    }

    pub fn knowledge_by(&self, trace: &Value) -> anyhow::Result<Knowledge> {
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
        let release = trace["release"].as_str().context("no release")?;
        let path = format!("/v1/persons/{}/identity?release={release}", self.person);
        // Whom no trace finds any more the release does not cover.
        let identities = match self.send((Role::Epidemiologist, "it"), ("GET", &path), "")? {
            (status, answer) if status == "200" => serde_json::from_str::<Value>(&answer)?,
            (status, answer) if status == "403" && answer.contains("release-does-not-cover") => {
                json!({"registrations": []})
            }
            (status, answer) => bail!("{path}: {status} {answer}"),
        };
        let of_person = BTreeMap::from([
            ("identities", identities["registrations"].as_array().context("no registrations")?.len()),
            ("alerts", masked(list(Role::District, "/v1/alerts", "alerts")?)),
            ("trips", list(Role::Citizen, "/v1/trips", "trips")?.len()),
            ("health changes", list(Role::Citizen, &changes, "changes")?.len()),
            ("contacts", contacts),
            ("scans", usize::try_from(all)?.saturating_sub(of_companion)),
        ]);
        Ok(Knowledge { of_person, of_companion })
    }
}
