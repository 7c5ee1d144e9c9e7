//! What is kept of scans: visits, visitors, contacts and counts.

use std::collections::BTreeSet;

use anyhow::Context;
use schemas::PersonKey;
use schemas::access::Role;
use serde_json::{Value, json};

use super::api::{Api, Caller, list};
use super::office::{Office, Venue};
use super::people::{ago, time};
use crate::releases::Wanted;

/// All that a scripted day may touch.
fn day() -> String {
    format!("from={}&to={}", time(ago(24 * 60)), time(ago(-60)))
}

impl Api {
    /// The scans at a venue, once there are so many.
    pub(super) async fn visitors(&self, venue: &Venue, count: usize) -> anyhow::Result<Vec<Value>> {
        let rows = |answer: &Value| answer["visitors"].as_array().cloned().unwrap_or_default();
        let who = Caller::of(Role::Epidemiologist);
        let path = self.visitors_path(venue).await?;
        Ok(rows(&self.soon(&who, &path, |answer| rows(answer).len() >= count).await?))
    }

    /// The methods of the scans at a venue, each once, once there are so many methods.
    pub(super) async fn methods_at(&self, venue: &Venue, count: usize) -> anyhow::Result<String> {
        let methods = |answer: &Value| -> BTreeSet<String> {
            let visitors = answer["visitors"].as_array().into_iter().flatten();
            visitors.filter_map(|scan| scan["method"].as_str()).map(str::to_owned).collect()
        };
        let who = Caller::of(Role::Epidemiologist);
        let path = self.visitors_path(venue).await?;
        Ok(list(methods(&self.soon(&who, &path, |answer| methods(answer).len() >= count).await?)))
    }

    /// How many scans there are of a person at a venue, and how many visits they are.
    pub(super) async fn visits_of_scans(
        &self,
        person: PersonKey,
        venue: &Venue,
        scans: usize,
    ) -> anyhow::Result<String> {
        let of_person = |rows: Vec<Value>| rows.iter().filter(|scan| scan["person"] == person.to_string()).count();
        let scans = of_person(self.visitors(venue, scans).await?);
        let visits = self.visits(person, 1).await?.iter().filter(|visit| visit["venue"] == venue.number).count();
        Ok(format!("{scans} scans, {visits} visits"))
    }

    /// Where a person was, once there are so many visits.
    pub(super) async fn visits(&self, person: PersonKey, count: usize) -> anyhow::Result<Vec<Value>> {
        let rows = |answer: &Value| answer["visits"].as_array().cloned().unwrap_or_default();
        let who = Caller::of(Role::Epidemiologist);
        let answer = self.soon(&who, &self.visits_path(person).await?, |answer| rows(answer).len() >= count).await?;
        Ok(rows(&answer))
    }

    /// A release for what these persons did, or who was at these places, on a scripted day: one account asks, another one
    /// releases.
    async fn released(&self, persons: &[PersonKey], venues: &[u32]) -> anyhow::Result<String> {
        let wanted = Wanted { persons, venues, time: (ago(25 * 60).timestamp(), ago(-61).timestamp()), hops: 1 };
        let who = Caller::of(Role::Epidemiologist);
        let asked = self.post(&who, "/v1/releases", &wanted.body()).await?.ok()?;
        let release = asked["command"].as_str().context("no release")?.to_owned();
        let path = format!("/v1/releases/{release}/decision");
        self.post(&Caller::of(Role::Supervisor), &path, &json!({"outcome": "release"})).await?.ok()?;
        self.soon(&who, &format!("/v1/releases/{release}"), |answer| answer["in_force"] == true).await?;
        Ok(release)
    }

    /// Where a venue's visitors are asked for.
    async fn visitors_path(&self, venue: &Venue) -> anyhow::Result<String> {
        let release = self.released(&[], &[venue.number.try_into()?]).await?;
        Ok(format!("/v1/venues/{}/visitors?{}&release={release}", venue.number, day()))
    }

    /// Where a person's visits are asked for.
    pub(super) async fn visits_path(&self, person: PersonKey) -> anyhow::Result<String> {
        let release = self.released(&[person], &[]).await?;
        Ok(format!("/v1/persons/{person}/visits?{}&release={release}", day()))
    }

    /// Traces a person, once the scans at a venue are stored: whether this one contact is found, and where.
    pub(super) async fn traced(
        &self,
        (index, contact): (PersonKey, PersonKey),
        venue: &Venue,
        scans: usize,
    ) -> anyhow::Result<String> {
        self.visitors(venue, scans).await?;
        let question = json!({"person": index, "from": time(ago(24 * 60)), "to": time(ago(-60)),
            "release": self.released(&[index], &[]).await?});
        let trace = self.ask_with(&Caller::of(Role::Epidemiologist), "/v1/traces", &question).await?.ok()?;
        let contacts = trace["contacts"].as_array().context("no contacts")?;
        let found = contacts.iter().filter(|found| found["person"] == contact.to_string());
        let at = found.flat_map(|found| found["encounters"].as_array().into_iter().flatten());
        Ok(list(at.filter_map(|encounter| encounter["venue_name"].as_str()).map(str::to_owned)))
    }

    /// Scans and colours of a venue in the last day as its operator sees them, once there are so many.
    pub(super) async fn counted(&self, office: &Office<'_>, venue: &Venue, count: u64) -> anyhow::Result<String> {
        let path = footfall_path(venue);
        let sum = |answer: &Value, pointer: &str| -> u64 {
            let buckets = answer["buckets"].as_array().into_iter().flatten();
            buckets.filter_map(|bucket| bucket.pointer(pointer)?.as_u64()).sum()
        };
        let answer = self.soon(&office.operator(), &path, |answer| sum(answer, "/scans") >= count).await?;
        let colours = ["green", "yellow", "red"]
            .map(|colour| format!("{} {colour}", sum(&answer, &format!("/colours/{colour}"))));
        Ok(format!("{} scans, {} people: {}", sum(&answer, "/scans"), sum(&answer, "/persons"), list(colours)))
    }
}

/// Where a venue's footfall is asked for, in one sum.
pub(super) fn footfall_path(venue: &Venue) -> String {
    format!("/v1/footfall?scope=venue&id={}&step=day&{}", venue.number, day())
}
