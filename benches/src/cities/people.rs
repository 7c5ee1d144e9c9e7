//! Made-up residents, and what the authority and the laboratories say of them.

use std::sync::atomic::Ordering;

use anyhow::Context;
use chrono::{DateTime, FixedOffset, Months, NaiveDate, SecondsFormat, TimeDelta, Utc};
use schemas::access::Role;
use schemas::document::id_card_check;
use schemas::{Document, DocumentType, PersonKey};
use serde_json::{Value, json};

use super::api::Api;

/// All four cities keep Beijing time.
const OFFSET_S: i32 = 8 * 3600;

/// A resident with an identity card.
#[derive(Debug, Clone)]
pub(super) struct Person {
    card: String,
}

/// Somebody of whom the authority has sent something, whose key is known from its receipt.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) person: Person,
    pub(super) key: PersonKey,
}

impl Person {
    /// The document as clients send it.
    pub(super) fn document(&self) -> Value {
        json!({"type": "id_card", "number": self.card})
    }

    /// The last four characters of its number.
    pub(super) fn last_four(&self) -> &str {
        &self.card[14..]
    }

    /// The same document with a wrong check character.
    pub(super) fn mistyped_document(&self) -> Value {
        let wrong = if self.card.ends_with('0') { "1" } else { "0" };
        json!({"type": "id_card", "number": format!("{}{wrong}", &self.card[..17])})
    }
}

impl Api {
    /// Somebody who was born on a day.
    pub(super) fn born(&self, on: NaiveDate) -> anyhow::Result<Person> {
        let nth = self.people.fetch_add(1, Ordering::Relaxed);
        let digits = format!("310101{}{:03}", on.format("%Y%m%d"), nth % 1000);
        let check = id_card_check(&digits).context("no check character")?;
        let card = format!("{digits}{check}");
        // What a check of GB 11643 refuses would fail rules that are about something else.
        Document::try_new(DocumentType::IdCard, &card)?;
        Ok(Person { card })
    }

    /// Somebody of an age in full years, whose birthday was so many days ago.
    pub(super) fn aged(&self, years: u32, days_since_birthday: i64) -> anyhow::Result<Person> {
        let birthday = today() - TimeDelta::days(days_since_birthday);
        self.born(birthday.checked_sub_months(Months::new(12 * years)).context("no such day")?)
    }

    /// An adult of whom nothing is known.
    pub(super) fn adult(&self) -> anyhow::Result<Person> {
        self.aged(40, 100)
    }

    /// An adult with a code of this colour, and a negative test sampled ten hours ago.
    pub(super) async fn tested(&self, colour: &str) -> anyhow::Result<Known> {
        let known = self.coloured(self.adult()?, colour).await?;
        self.sampled(&known.person, ago(10 * 60), "negative").await?;
        Ok(known)
    }

    /// Sets somebody's colour as the authority does, from a month ago on.
    pub(super) async fn coloured(&self, person: Person, colour: &str) -> anyhow::Result<Known> {
        self.coloured_between(person, colour, (ago(30 * 24 * 60), None)).await
    }

    /// Sets somebody's colour from a time to another one.
    pub(super) async fn coloured_between(
        &self,
        person: Person,
        colour: &str,
        (since, expires_at): (DateTime<Utc>, Option<DateTime<Utc>>),
    ) -> anyhow::Result<Known> {
        let line = json!({"document": person.document(), "colour": colour, "since": time(since),
            "expires_at": expires_at.map(time), "issuer": "CDC", "evidence": "E-1", "reason": "a scripted day"});
        let receipt = self.feed(Role::Feed, "/v1/health-codes:batch", &line).await?;
        let key = receipt["person"].as_str().and_then(|key| key.parse().ok()).context("no person key")?;
        Ok(Known { person, key })
    }

    /// Reports a test.
    pub(super) async fn sampled(&self, person: &Person, at: DateTime<Utc>, result: &str) -> anyhow::Result<()> {
        let line = json!({"document": person.document(), "sampled_at": time(at), "resulted_at": time(at),
            "result": result, "laboratory": "Laboratory 1"});
        self.feed(Role::Feed, "/v1/tests:batch", &line).await?;
        Ok(())
    }
}

/// Today in the city.
pub(super) fn today() -> NaiveDate {
    let beijing = FixedOffset::east_opt(OFFSET_S);
    beijing.map_or_else(|| Utc::now().date_naive(), |offset| Utc::now().with_timezone(&offset).date_naive())
}

/// So many minutes ago.
pub(super) fn ago(minutes: i64) -> DateTime<Utc> {
    Utc::now() - TimeDelta::minutes(minutes)
}

/// A time as clients write it.
pub(super) fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
