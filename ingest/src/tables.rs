//! The tables in memory that a scan is answered from, and the threads that keep them.

pub mod age;
mod health;
mod identities;
mod keeper;
mod loader;
mod ordered;
mod seen;
mod sharded;
mod slots;
mod snapshot;
mod spot;
mod trips;
mod turned;
mod venues;

pub use health::HealthRecord;
use health::PersonRow;
pub use identities::Registration;
use identities::{GuardianRow, RegistrationRow};
pub(crate) use keeper::Keeper;
pub(crate) use loader::{CONDITION, Loader};
pub(crate) use seen::{Mark, Seen, Table};
use sharded::Sharded;
pub use snapshot::Snapshots;
pub use trips::{TripSeen, Trips};
pub use turned::OnTheirWay;
use turned::{Turned, TurnedBy, WINDOW_MS};
pub use venues::Venue;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, Ordering},
};

use parking_lot::RwLock;
use schemas::{
    CityProfile, Colour, Erased, HealthEvent, IdentityEvent, PersonKey, VenueId,
    city::FormKind,
    events::{ColourChange, TestOutcome},
};
use serde::{Deserialize, Serialize};

use crate::{error::IngestError, state::now_ms};

/// What the feeds have told so far: without a message of theirs, nobody's value is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feeds {
    /// How old the newest message of the health feed is; `None` without one.
    pub health_age_s: Option<i64>,
    /// Whether the test feed ever sent one.
    pub has_tests: bool,
}

/// What the feeds have sent so far, as a snapshot keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Fed {
    /// When the newest message of the health feed was sent, in milliseconds since 1970; 0 without one.
    health_at_ms: i64,
    /// Whether the test feed ever sent one.
    tests: bool,
    /// Who turned how many people yellow or red lately.
    #[serde(default)]
    turned: Vec<TurnedBy>,
}

/// Venue directory, health and registrations of the whole city.
#[derive(Debug, Default)]
pub struct Tables {
    venues: Sharded<Venue>,
    health: Sharded<PersonRow>,
    registrations: Sharded<RegistrationRow>,
    /// Who registered a person and may scan for them.
    guardians: Sharded<GuardianRow>,
    caught_up: AtomicBool,
    /// When the newest message of the health feed was sent, in milliseconds since 1970; 0 without one.
    health_fed_at_ms: AtomicI64,
    /// Whether the test feed ever sent one.
    has_tests: AtomicBool,
    /// Who turned how many people yellow or red lately.
    turned: Turned,
    /// Of whom, from before when, nothing is taken in; `None` until Kafka has told.
    erased: RwLock<Option<Arc<Erased>>>,
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

    /// Whether anything is kept of a person.
    pub fn knows(&self, person: PersonKey) -> bool {
        self.health.with(person.to_u64(), |row| row.is_some()) || self.registration(person).is_any()
    }

    /// Which forms a person has filled in.
    pub fn registration(&self, person: PersonKey) -> Registration {
        self.registrations.with(person.to_u64(), |row| row.map(RegistrationRow::registration).unwrap_or_default())
    }

    /// Who registered a person and may scan for them.
    pub fn guardian(&self, person: PersonKey) -> Option<PersonKey> {
        self.guardians.with(person.to_u64(), |row| row.map(|row| row.guardian))
    }

    /// What the feeds have told so far.
    pub fn feeds(&self, now_ms: i64) -> Feeds {
        let fed_at_ms = self.health_fed_at_ms.load(Ordering::Relaxed);
        Feeds {
            health_age_s: (fed_at_ms > 0).then(|| (now_ms - fed_at_ms).max(0) / 1000),
            has_tests: self.has_tests.load(Ordering::Relaxed),
        }
    }

    /// Who was erased, as far as this gateway knows; `None` until Kafka has told.
    pub(crate) fn erased(&self) -> Option<Arc<Erased>> {
        self.erased.read().clone()
    }

    /// Takes in nothing more that was erased. What is held of these people goes by the messages without a value that follow
    /// on the topics.
    fn leave_out(&self, erased: Arc<Erased>) {
        *self.erased.write() = Some(erased);
    }

    /// Applies a message of the directory; `None` when it cannot be used.
    pub fn apply_venue(&self, city: &CityProfile, key: Option<&[u8]>, payload: Option<&[u8]>) -> Option<()> {
        match payload {
            Some(payload) => {
                let (id, venue) = Venue::try_from_message(city, payload)?;
                self.venues.insert_if(u64::from(id), venue, Venue::replaces);
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
                if change.colour >= Colour::Yellow && sent_at_ms > now_ms() - WINDOW_MS {
                    self.note_turned(payload, sent_at_ms);
                }
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
                self.has_tests.store(true, Ordering::Relaxed);
            }
            None => self.change_health(person_of(key)?, HealthRecord::without_test),
        }
        Some(())
    }

    /// Applies a registration; `None` when it cannot be used.
    pub fn apply_identity(&self, key: Option<&[u8]>, payload: Option<&[u8]>) -> Option<()> {
        let (person, form, event) = match payload {
            Some(payload) => {
                let event = IdentityEvent::try_parse(payload).ok()?;
                (event.person, event.form, Some(event))
            }
            None => {
                let (person, form) = IdentityEvent::parse_key(key?)?;
                (person, form, None)
            }
        };
        self.registrations.change(person.to_u64(), |row| {
            let held = row.map(RegistrationRow::registration).unwrap_or_default();
            RegistrationRow::try_new(
                person,
                match &event {
                    Some(event) => Some(held.with(event)),
                    None => held.without(form),
                },
            )
        });
        if form == FormKind::Venue {
            match event.and_then(|event| event.guardian) {
                Some(guardian) => {
                    self.guardians.insert_if(person.to_u64(), GuardianRow { person, guardian }, |_, _| true)
                }
                None => self.guardians.remove(person.to_u64()),
            }
        }
        Some(())
    }

    /// Counts changes as on their way, if their account has then turned no more than `most` people yellow or red within
    /// the hour without a release.
    pub fn try_turn<'t>(&'t self, account: &'t str, changes: u32, most: u32, now_ms: i64) -> Option<OnTheirWay<'t>> {
        self.turned.try_begin(account, changes, most, now_ms)
    }

    /// Counts a change to yellow or red that nobody released. One that is written again was counted before.
    fn note_turned(&self, payload: &[u8], sent_at_ms: i64) {
        let event = HealthEvent::try_parse(payload).ok().filter(|e| e.release.is_none() && e.newest.is_none());
        if let Some(account) = event.and_then(|event| event.sent_by) {
            self.turned.note(&account, sent_at_ms);
        }
    }

    fn change_health(&self, person: PersonKey, change: impl FnOnce(HealthRecord) -> Option<HealthRecord>) {
        self.health.change(person.to_u64(), |row| {
            let record = row.map(PersonRow::record).unwrap_or_default();
            change(record).map(|record| PersonRow::new(person, record))
        });
    }

    /// What of the feeds outlasts a restart.
    fn fed(&self) -> Fed {
        let (health_at_ms, tests) =
            (self.health_fed_at_ms.load(Ordering::Relaxed), self.has_tests.load(Ordering::Relaxed));
        Fed { health_at_ms, tests, turned: self.turned.to_keep() }
    }

    /// Goes on from a snapshot.
    fn resume(&self, marks: &[Mark], fed: Fed) {
        self.seen.resume(marks);
        self.health_fed_at_ms.store(fed.health_at_ms, Ordering::Relaxed);
        self.has_tests.store(fed.tests, Ordering::Relaxed);
        self.turned.resume(fed.turned);
    }

    /// Forgets everything.
    fn clear(&self) {
        self.venues.clear();
        self.health.clear();
        self.registrations.clear();
        self.guardians.clear();
        self.resume(&[], Fed::default());
    }
}

fn person_of(key: Option<&[u8]>) -> Option<PersonKey> {
    std::str::from_utf8(key?).ok()?.parse().ok()
}
