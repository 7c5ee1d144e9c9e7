//! Scans at a door, by any method.

use anyhow::Context;
use schemas::access::Role;
use serde_json::{Value, json};

use super::api::{Answer, Api, Caller, with};
use super::office::Venue;
use super::people::{Known, Person};

impl Api {
    /// A scan by a sentinel or the app of the staff.
    pub(super) async fn scan(&self, venue: &Venue, person: &Person, more: Value) -> anyhow::Result<Answer> {
        let scan = json!({"code": venue.url, "document": person.document()});
        self.post(&Caller::of(Role::Device), "/v1/scans", &with(&scan, &more)).await
    }

    /// A scan by a sentinel or the app of the staff, by a method: the verdict in words.
    pub(super) async fn seen(&self, venue: &Venue, person: &Person, method: &str) -> anyhow::Result<String> {
        Ok(self.scan(venue, person, json!({"method": method})).await?.verdict())
    }

    /// A scan of the code by the person's own phone.
    pub(super) async fn scan_own(&self, venue: &Venue, known: &Known, more: Value) -> anyhow::Result<Answer> {
        self.post(&Caller::citizen(known.key), "/v1/scans", &with(&json!({"code": venue.url}), &more)).await
    }

    /// A scan as the city's people make it, and what is answered.
    pub(super) async fn answered(&self, venue: &Venue, known: &Known) -> anyhow::Result<Value> {
        self.scan(venue, &known.person, json!({})).await?.ok()
    }

    /// What is spoken to people of these colours: those whose colour is named in both languages.
    pub(super) async fn spoken(&self, venue: &Venue) -> anyhow::Result<String> {
        let mut named = Vec::new();
        for (colour, zh) in [("green", "绿码"), ("yellow", "黄码"), ("red", "红码")] {
            let answer = self.answered(venue, &self.tested(colour).await?).await?;
            let speech = |language: &str| answer["speech"][language].as_str().unwrap_or_default().to_lowercase();
            if speech("zh").contains(zh) && speech("en").contains(colour) {
                named.push(zh);
            }
        }
        Ok(named.join("、"))
    }

    /// Verdicts for people of each colour with a fresh test, of an expired code, and of whom no code is known.
    pub(super) async fn by_colour(&self, venue: &Venue) -> anyhow::Result<String> {
        let mut verdicts = Vec::new();
        for colour in ["green", "yellow", "red"] {
            let known = self.tested(colour).await?;
            verdicts.push(format!("{colour}: {}", self.seen(venue, &known.person, "venue_code").await?));
        }
        let (since, until) = (super::people::ago(20 * 24 * 60), super::people::ago(60));
        let expired = self.coloured_between(self.adult()?, "green", (since, Some(until))).await?.person;
        let unknown = self.adult()?;
        for (what, person) in [("expired", expired), ("unknown", unknown)] {
            self.sampled(&person, super::people::ago(10 * 60), "negative").await?;
            verdicts.push(format!("{what}: {}", self.seen(venue, &person, "venue_code").await?));
        }
        Ok(verdicts.join("; "))
    }
}

/// What [`Api::by_colour`] finds where green is asked for, and nothing else passes.
pub(super) const GREEN_ONLY: &str = "green: admit; yellow: refuse colour_yellow; red: refuse colour_red; \
    expired: refuse health_expired; unknown: refuse health_unknown";

impl Answer {
    /// The verdict with its reasons, such as `refuse colour_red`, or the refusal of the request.
    pub(super) fn verdict(&self) -> String {
        if let Some(problem) = self.problem() {
            return problem;
        }
        let verdict = self.json["verdict"].as_str().unwrap_or("no verdict");
        let reasons = self.json["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str);
        [verdict].into_iter().chain(reasons).collect::<Vec<_>>().join(" ")
    }
}

/// A text of an answer.
pub(super) fn text<'a>(answer: &'a Value, pointer: &str) -> anyhow::Result<&'a str> {
    answer.pointer(pointer).and_then(Value::as_str).with_context(|| format!("no {pointer} in {answer}"))
}
