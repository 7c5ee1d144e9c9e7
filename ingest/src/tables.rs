//! The tables in memory that a scan is answered from, and the thread that keeps them.

mod health;
mod identities;
mod loader;
mod seen;
mod sharded;
mod venues;

pub use health::HealthRecord;
pub use identities::Registration;
pub use loader::{CONDITION, Loader};
pub use seen::{Seen, Table};
use sharded::Sharded;
pub use venues::Venue;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use schemas::{CityProfile, IdentityEvent, PersonKey, VenueId, city::FormKind};

use crate::error::IngestError;

/// What the feeds have told so far: without a message of theirs, nobody's value is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feeds {
    /// How old the newest message of the health feed is; `None` without one.
    pub health_age_s: Option<i64>,
    /// Whether the test feed ever sent one.
    pub has_tests: bool,
}

/// Venue directory, health and registrations of the whole city.
#[derive(Debug, Default)]
pub struct Tables {
    venues: Sharded<Venue>,
    health: Sharded<HealthRecord>,
    registrations: Sharded<Registration>,
    /// Who registered a person and may scan for them.
    guardians: Sharded<PersonKey>,
    caught_up: AtomicBool,
    /// When the newest message of the health feed was sent, in milliseconds since 1970; 0 without one.
    health_fed_at_ms: AtomicI64,
    /// Whether the test feed ever sent one.
    has_tests: AtomicBool,
    /// How far the topics were read.
    pub seen: Seen,
}

impl Tables {
    /// Fails until the topics were read up to where they ended at start: before, a missing venue or colour
    /// would mean nothing.
    ///
    /// # Errors
    /// [`IngestError::NotReady`].
    pub fn ensure_caught_up(&self) -> Result<(), IngestError> {
        if self.caught_up.load(Ordering::Acquire) { Ok(()) } else { Err(IngestError::NotReady) }
    }

    /// Looks at a venue while its row is locked for writers.
    pub fn with_venue<R>(&self, venue: VenueId, look: impl FnOnce(Option<&Venue>) -> R) -> R {
        self.venues.with(u64::from(venue), look)
    }

    /// What is known of a person's health.
    pub fn health(&self, person: PersonKey) -> HealthRecord {
        self.health.with(person.to_u64(), |record| record.copied().unwrap_or_default())
    }

    /// Which forms a person has filled in.
    pub fn registration(&self, person: PersonKey) -> Registration {
        self.registrations.with(person.to_u64(), |row| row.copied().unwrap_or_default())
    }

    /// Who registered a person and may scan for them.
    pub fn guardian(&self, person: PersonKey) -> Option<PersonKey> {
        self.guardians.with(person.to_u64(), |guardian| guardian.copied())
    }

    /// What the feeds have told so far.
    pub fn feeds(&self, now_ms: i64) -> Feeds {
        let fed_at_ms = self.health_fed_at_ms.load(Ordering::Relaxed);
        Feeds {
            health_age_s: (fed_at_ms > 0).then(|| (now_ms - fed_at_ms).max(0) / 1000),
            has_tests: self.has_tests.load(Ordering::Relaxed),
        }
    }

    fn set_identity(&self, event: &IdentityEvent) {
        let key = event.person.to_u64();
        self.registrations.change(key, |row| Some(row.with(event)));
        match (event.form, event.guardian) {
            (FormKind::Venue, Some(guardian)) => self.guardians.insert_if(key, guardian, |_, _| true),
            (FormKind::Venue, None) => self.guardians.remove(key),
            (FormKind::Freight, _) => {}
        }
    }

    fn forget_identity(&self, person: PersonKey, form: FormKind) {
        self.registrations.change(person.to_u64(), |row| row.without(form));
        if form == FormKind::Venue {
            self.guardians.remove(person.to_u64());
        }
    }

    fn set_venue(&self, city: &CityProfile, message: &[u8]) -> bool {
        match Venue::try_from_message(city, message) {
            Some((id, venue)) => {
                self.venues.insert_if(u64::from(id), venue, Venue::replaces);
                true
            }
            None => false,
        }
    }
}
