//! The book of all scans that were sent: what each was, and whether the gateway took it.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::Utc;
use rand::{Rng, rngs::StdRng};
use schemas::{AlertEvent, Colour, Direction, Method, PersonKey, ScanEvent, VenueId, events::AlertKind};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::gateway::http_time;
use crate::oracle::Sighting;

/// People who are scanned.
pub(super) const PEOPLE: u64 = 3_000;
/// Venues where they are.
pub(super) const VENUES: u32 = 60;
/// Where lorries enter.
pub(super) const CHECKPOINT: VenueId = VENUES + 1;
/// Where they are bound for.
pub(super) const DESTINATION: VenueId = VENUES + 2;
/// How everybody is scanned: in Kaifeng staff enter the details by hand.
const METHOD: Method = Method::Manual;
/// Scans are dated up to so long ago.
const BACK_S: i64 = 4 * 3600;

/// One scan. No two are alike in person, venue and time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan {
    pub(super) id: Uuid,
    pub(super) sighting: Sighting,
    /// Whether the client sends the identity, or leaves it to the gateway.
    sends_id: bool,
    /// The lorry in which the person is scanned.
    lorry: Option<Lorry>,
}

/// A lorry of a run, each of which makes one trip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lorry {
    /// Its number, below 100,000.
    pub(super) number: u32,
    /// Whether its trip was declared.
    pub(super) is_declared: bool,
}

impl Lorry {
    /// Its number plate.
    pub(super) fn plate(self) -> String {
        format!("豫B{:05}", self.number)
    }
}

impl Scan {
    /// The scan as a client sends it.
    pub(super) fn body(&self) -> Value {
        let mut body = json!({
            "person": key(self.sighting.person).to_string(),
            "venue": self.sighting.venue,
            "method": METHOD,
            "offline_reason": "no_smartphone",
            "scanned_at": http_time(self.sighting.at),
        });
        if let Some(lorry) = self.lorry {
            body["plate"] = lorry.plate().into();
        }
        if self.sends_id {
            body["event_id"] = json!(self.id);
        }
        body
    }
}

/// Somebody's key.
pub(super) fn key(number: u64) -> PersonKey {
    // The version takes the upper four bits, and no number here reaches them.
    PersonKey::from_u64(1 << 60 | number).unwrap_or_else(|| unreachable!("a key of version 1"))
}

/// Whose key it is.
pub(super) const fn number(key: PersonKey) -> u64 {
    key.to_u64() & !(0xf << 60)
}

/// The colour that the authority gave somebody before the first scan.
pub(super) fn colour(person: u64) -> Colour {
    match person % 10 {
        0 => Colour::Red,
        1 | 2 => Colour::Yellow,
        _ => Colour::Green,
    }
}

/// The district and category of a venue.
pub(super) fn place(venue: VenueId) -> (u32, &'static str) {
    const DISTRICTS: [u32; 3] = [410_202, 410_203, 410_225];
    const CATEGORIES: [&str; 2] = ["hotel", "service_area"];
    let category = match venue {
        CHECKPOINT => "freight_checkpoint",
        DESTINATION => "freight_destination",
        _ => CATEGORIES[venue as usize % CATEGORIES.len()],
    };
    (DISTRICTS[venue as usize % DISTRICTS.len()], category)
}

/// The alerts that a scan raises: its person's colour is abnormal, or nobody declared the lorry.
pub(super) fn alerts(id: Uuid, entry: &Entry) -> impl Iterator<Item = Uuid> {
    let is_abnormal = matches!(colour(entry.sighting.person), Colour::Yellow | Colour::Red);
    let is_undeclared = entry.lorry.is_some_and(|lorry| !lorry.is_declared);
    let (district, _) = place(entry.sighting.venue);
    let kinds = [(is_abnormal, AlertKind::AbnormalColour), (is_undeclared, AlertKind::UndeclaredTrip)];
    kinds
        .into_iter()
        .filter(|(is_raised, _)| *is_raised)
        .map(move |(_, kind)| AlertEvent::derive_id(district, id, kind))
}

/// What became of a scan, as its sender knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) sighting: Sighting,
    pub(super) lorry: Option<Lorry>,
    pub(super) accepted: bool,
}

/// All scans of a run.
#[derive(Debug, Default)]
pub(super) struct Book(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    entries: HashMap<Uuid, Entry>,
    sightings: HashSet<Sighting>,
    accepted: u64,
}

impl Book {
    /// Invents a scan that there has not been yet, and enters it before it is sent.
    pub(super) fn invent(&self, rng: &mut StdRng) -> Scan {
        self.enter(rng, |rng| {
            let sighting = Sighting {
                person: rng.random_range(1..=PEOPLE),
                venue: rng.random_range(1..=VENUES),
                at: Utc::now().timestamp() - rng.random_range(1..BACK_S),
            };
            (sighting, None)
        })
    }

    /// Invents the scan of one of a lorry's crew, whose code is green, just now.
    pub(super) fn invent_stop(&self, rng: &mut StdRng, lorry: Lorry, venue: VenueId) -> Scan {
        self.enter(rng, |rng| {
            let person = rng.random_range(0..PEOPLE / 10) * 10 + rng.random_range(3..10);
            (Sighting { person, venue, at: Utc::now().timestamp() }, Some(lorry))
        })
    }

    fn enter(&self, rng: &mut StdRng, mut next: impl FnMut(&mut StdRng) -> (Sighting, Option<Lorry>)) -> Scan {
        let mut pages = self.open();
        loop {
            let (sighting, lorry) = next(rng);
            // With a lorry it takes the plate's key, which only the gateway has.
            let sends_id = lorry.is_some() || rng.random();
            let id = if sends_id { Uuid::from_u128(rng.random()) } else { derived_id(sighting) };
            if pages.sightings.insert(sighting) {
                pages.entries.insert(id, Entry { sighting, lorry, accepted: false });
                return Scan { id, sighting, sends_id, lorry };
            }
        }
    }

    /// Notes that the gateway took the scan.
    pub(super) fn accept(&self, id: Uuid) {
        let mut pages = self.open();
        if let Some(entry) = pages.entries.get_mut(&id)
            && !entry.accepted
        {
            entry.accepted = true;
            pages.accepted += 1;
        }
    }

    /// How many were taken.
    pub(super) fn accepted(&self) -> u64 {
        self.open().accepted
    }

    /// What is in it now.
    pub(super) fn entries(&self) -> HashMap<Uuid, Entry> {
        self.open().entries.clone()
    }

    fn open(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn derived_id(Sighting { person, venue, at }: Sighting) -> Uuid {
    ScanEvent::derive_id(key(person), venue, at, METHOD, Direction::Entry)
}
