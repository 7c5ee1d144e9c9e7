//! The tables in memory that a scan is answered from, and the threads that keep them.

mod health;
mod keeper;
mod loader;
mod ordered;
mod seen;
mod sharded;
mod snapshot;
mod venues;

pub use health::HealthRecord;
use health::PersonRow;
pub(crate) use keeper::Keeper;
pub(crate) use loader::{CONDITION, Loader};
pub(crate) use seen::{Mark, Seen, Table};
use sharded::Sharded;
pub use snapshot::Snapshots;
pub use venues::Venue;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use schemas::{
    CityProfile, PersonKey, VenueId,
    events::{ColourChange, TestOutcome},
};

use crate::error::IngestError;

/// Venue directory and health of the whole city.
#[derive(Debug, Default)]
pub struct Tables {
    venues: Sharded<Venue>,
    health: Sharded<PersonRow>,
    caught_up: AtomicBool,
    /// When the newest message of the health feed was sent, in milliseconds since 1970; 0 without one.
    health_fed_at_ms: AtomicI64,
    /// How far the topics were read.
    pub(crate) seen: Seen,
}

impl Tables {
    /// Fails until the topics were read up to where they ended at start: before, a missing venue or colour
    /// would mean nothing.
    ///
    /// # Errors
    /// [`IngestError::NotReady`].
    pub(crate) fn ensure_caught_up(&self) -> Result<(), IngestError> {
        if self.caught_up.load(Ordering::Acquire) { Ok(()) } else { Err(IngestError::NotReady) }
    }

    /// Looks at a venue while its row is locked for writers.
    pub fn with_venue<R>(&self, venue: VenueId, look: impl FnOnce(Option<&Venue>) -> R) -> R {
        self.venues.with(u64::from(venue), look)
    }

    /// What is known of a person's health.
    pub fn health(&self, person: PersonKey) -> HealthRecord {
        self.health.with(person.to_u64(), |row| row.map(PersonRow::record).unwrap_or_default())
    }

    /// How old the newest message of the health feed is; `None` without one.
    pub(crate) fn health_age_s(&self, now_ms: i64) -> Option<i64> {
        let fed_at_ms = self.health_fed_at_ms.load(Ordering::Relaxed);
        (fed_at_ms > 0).then(|| (now_ms - fed_at_ms).max(0) / 1000)
    }

    /// Applies a message of the directory; `None` when it cannot be used.
    pub fn apply_venue(&self, city: &CityProfile, key: Option<&[u8]>, payload: Option<&[u8]>) -> Option<()> {
        match payload {
            Some(payload) => {
                let (id, venue) = Venue::try_from_message(city, payload)?;
                self.venues.insert(u64::from(id), venue);
            }
            None => self.venues.remove(std::str::from_utf8(key?).ok()?.parse().ok()?),
        }
        Some(())
    }

    /// Applies a message of the health feed; `None` when it cannot be used.
    pub fn apply_health(&self, key: Option<&[u8]>, payload: Option<&[u8]>, sent_at_ms: i64) -> Option<()> {
        match payload {
            Some(payload) => {
                let change = ColourChange::try_parse(payload).ok()?;
                self.change_health(change.person, |record| Some(record.with_colour(&change)));
                self.health_fed_at_ms.fetch_max(sent_at_ms, Ordering::Relaxed);
            }
            None => self.change_health(person_of(key)?, HealthRecord::without_colour),
        }
        Some(())
    }

    /// Applies a message of the laboratories; `None` when it cannot be used.
    pub fn apply_test(&self, key: Option<&[u8]>, payload: Option<&[u8]>) -> Option<()> {
        match payload {
            Some(payload) => {
                let outcome = TestOutcome::try_parse(payload).ok()?;
                self.change_health(outcome.person, |record| Some(record.with_test(&outcome)));
            }
            None => self.change_health(person_of(key)?, HealthRecord::without_test),
        }
        Some(())
    }

    fn change_health(&self, person: PersonKey, change: impl FnOnce(HealthRecord) -> Option<HealthRecord>) {
        self.health.change(person.to_u64(), |row| {
            let record = row.map(PersonRow::record).unwrap_or_default();
            change(record).map(|record| PersonRow::new(person, record))
        });
    }

    /// Goes on from a snapshot.
    fn resume(&self, marks: &[Mark], health_fed_at_ms: i64) {
        self.seen.resume(marks);
        self.health_fed_at_ms.store(health_fed_at_ms, Ordering::Relaxed);
    }

    /// Forgets everything.
    fn clear(&self) {
        self.venues.clear();
        self.health.clear();
        self.resume(&[], 0);
    }
}

fn person_of(key: Option<&[u8]>) -> Option<PersonKey> {
    std::str::from_utf8(key?).ok()?.parse().ok()
}
