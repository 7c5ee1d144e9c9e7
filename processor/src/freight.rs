//! The freight loop: what becomes of each declared trip of a lorry (S4 一.2, 二.2).
//!
//! It is a [`Machine`] over the topic `trips`, whose key is the plate: one partition has all that is said of a lorry. What
//! its trips are follows from the set of these events ([`schemas::freight`]); here what changes by an event becomes rows for
//! the reading side and alerts for the districts. Scans come from `worker/storing.rs`, at least once.

mod row;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use hashbrown::HashMap;
use schemas::{
    AlertEvent, Erased, PersonKey, PlateKey, Reasons, Retention, TripEvent, UnixSeconds,
    events::{AlertKind, Raised, TripAction, VERSION},
    freight::{ScanOutcome, SeenScan, Trip, TripState, Trips, Vehicle},
};
use uuid::Uuid;

use self::row::TripRow;
use crate::{
    machine::{Machine, Message, Outputs, Record, Row, runner},
    workers::Job,
};

/// The freight loop of one partition.
pub struct FreightLoop {
    trips_topic: String,
    alerts_topic: String,
    /// How long facts about a lorry are kept, in seconds.
    kept_s: i64,
    vehicles: HashMap<PlateKey, Vehicle>,
    /// Trips that are open and not known to be overdue, by when they are due.
    waiting: BTreeSet<(UnixSeconds, PlateKey, Uuid)>,
    /// Lorries by when something happened to them, in the order of the log.
    touched: VecDeque<(UnixSeconds, PlateKey)>,
    /// Of whom nothing goes out.
    erased: Arc<Erased>,
}

impl FreightLoop {
    /// A loop in which nothing has happened.
    pub fn new(trips_topic: &str, alerts_topic: &str, retention: Retention) -> Self {
        Self {
            trips_topic: trips_topic.to_owned(),
            alerts_topic: alerts_topic.to_owned(),
            kept_s: retention.trip_facts_s(),
            vehicles: HashMap::new(),
            waiting: BTreeSet::new(),
            touched: VecDeque::new(),
            erased: Arc::default(),
        }
    }

    /// A lorry's trips.
    pub fn trips(&self, vehicle: PlateKey) -> Trips {
        self.vehicles.get(&vehicle).map(Vehicle::trips).unwrap_or_default()
    }

    fn wait_for(&mut self, vehicle: PlateKey, before: &Trips, after: &Trips) {
        for (id, trip) in &before.trips {
            self.waiting.remove(&(trip.declaration.due_at, vehicle, *id));
        }
        let waiting = after.trips.iter().filter(|(_, trip)| trip.is_open() && !trip.overdue);
        self.waiting.extend(waiting.map(|(id, trip)| (trip.declaration.due_at, vehicle, *id)));
    }

    /// Forgets lorries of which nothing has been heard for so long that their log has expired.
    fn forget(&mut self, now: UnixSeconds) {
        while let Some((at, vehicle)) = self.touched.front().copied()
            && at + self.kept_s < now
        {
            self.touched.pop_front();
            if self.vehicles.get(&vehicle).is_some_and(|known| known.latest() + self.kept_s < now) {
                let trips = self.trips(vehicle);
                self.wait_for(vehicle, &trips, &Trips::default());
                self.vehicles.remove(&vehicle);
            }
        }
    }

    fn alert(&self, event: &TripEvent, district: u32, raised: Raised) -> Message {
        Message::new(&self.alerts_topic, district.to_string(), &AlertEvent::raise(district, event.at_ms, raised))
    }

    /// Whether a person was erased after this time. What a trip of theirs was to the lorry goes on counting: its scans are also
    /// those of others.
    fn is_erased(&self, person: PersonKey, at: UnixSeconds) -> bool {
        person == PersonKey::NOBODY || self.erased.has(person, at.saturating_mul(1000))
    }

    fn is_of_erased(&self, trip: &Trip) -> bool {
        self.is_erased(trip.declaration.driver, trip.declared_at)
    }

    /// What is to go out because the trips are others now than before.
    fn outputs(&self, event: &TripEvent, revision: u64, before: &Trips, after: &Trips) -> Outputs {
        let mut outputs = Outputs::default();
        let steps = steps(before, after);
        for (id, step) in steps {
            let Some(trip) = after.trips.get(&id).filter(|trip| !self.is_of_erased(trip)) else { continue };
            outputs.rows.push(row(&TripRow::of_trip(revision, event, trip, &step)));
        }
        for (id, trip) in &after.trips {
            let was = before.trips.get(id).is_some_and(|before| before.overdue);
            if trip.overdue && !was && !self.is_of_erased(trip) {
                outputs.messages.push(self.alert(event, trip.declaration.district, overdue(event.vehicle, trip)));
            }
        }
        for (id, scan) in &after.scans {
            let was = before.scans.get(id).is_some_and(SeenScan::is_undeclared);
            if self.is_erased(scan.scanned.person, scan.scanned.at) {
                continue;
            }
            if scan.is_undeclared() != was {
                let state = if was { TripState::Explained } else { TripState::Undeclared };
                outputs.rows.push(row(&TripRow::of_entry(revision, event, scan, state)));
            }
            if scan.is_undeclared() && !was {
                outputs.messages.push(self.alert(event, scan.scanned.district, undeclared(event.vehicle, scan)));
            }
        }
        outputs
    }
}

/// What an event did to a trip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    /// The word for it: the state that it came into, or what was noted.
    word: &'static str,
    /// Why the command was not carried out; empty, unless it was not.
    refused: &'static str,
}

/// What is new of each trip.
fn steps(before: &Trips, after: &Trips) -> BTreeMap<Uuid, Step> {
    let mut steps = BTreeMap::new();
    for (id, trip) in &after.trips {
        let known = before.trips.get(id);
        if known == Some(trip) {
            continue;
        }
        let word = match known {
            Some(known) if known.state == trip.state && !known.overdue && trip.overdue => "overdue",
            Some(known) if known.state == trip.state => "corrected",
            _ => trip.state.as_str(),
        };
        steps.insert(*id, Step { word, refused: "" });
    }
    for (id, scan) in &after.scans {
        let is_noted = matches!(scan.outcome, ScanOutcome::Held | ScanOutcome::NotEntered);
        if let (true, Some(trip)) = (is_noted && before.scans.get(id) != Some(scan), scan.trip) {
            steps.entry(trip).or_insert(Step { word: scan.outcome.as_str(), refused: "" });
        }
    }
    for (command, (trip, refusal)) in &after.refused_cancels {
        if !before.refused_cancels.contains_key(command) {
            steps.entry(*trip).or_insert(Step { word: "not_cancelled", refused: refusal.as_str() });
        }
    }
    steps
}

fn overdue(vehicle: PlateKey, trip: &Trip) -> Raised {
    let declaration = &trip.declaration;
    Raised {
        alert: AlertEvent::derive_id(declaration.district, declaration.trip, AlertKind::OverdueTrip),
        kind: AlertKind::OverdueTrip,
        source: declaration.trip,
        venue: declaration.destination,
        person: declaration.driver,
        vehicle: Some(vehicle),
        scanned_at: declaration.due_at,
        method: None,
        verdict: None,
        colour: None,
        reasons: Reasons::NONE,
    }
}

fn undeclared(vehicle: PlateKey, scan: &SeenScan) -> Raised {
    let scanned = &scan.scanned;
    Raised {
        alert: AlertEvent::derive_id(scanned.district, scanned.scan, AlertKind::UndeclaredTrip),
        kind: AlertKind::UndeclaredTrip,
        source: scanned.scan,
        venue: scanned.venue,
        person: scanned.person,
        vehicle: Some(vehicle),
        scanned_at: scanned.at,
        method: Some(scanned.method),
        verdict: Some(scanned.verdict),
        colour: Some(scanned.colour),
        reasons: Reasons::NONE,
    }
}

impl Machine for FreightLoop {
    const LOG_EXPIRES: bool = true;
    const OF_PEOPLE: bool = true;

    fn leave_out(&mut self, erased: &Arc<Erased>) {
        self.erased = Arc::clone(erased);
    }

    fn apply(&mut self, record: &Record<'_>) -> Result<Outputs, String> {
        let event = TripEvent::try_parse(record.value).map_err(|error| error.to_string())?;
        if record.key != event.vehicle.to_string().as_bytes() {
            return Err("field `vehicle`: is not the key of the message".to_owned());
        }
        let now = event.at_ms / 1000;
        self.forget(now);
        let vehicle = self.vehicles.entry(event.vehicle).or_default();
        let before = vehicle.trips();
        vehicle.note(&event, self.kept_s);
        let (after, latest) = (vehicle.trips(), vehicle.latest());
        self.touched.push_back((latest, event.vehicle));
        self.wait_for(event.vehicle, &before, &after);
        Ok(self.outputs(&event, record.offset, &before, &after))
    }

    fn due(&mut self, now_ms: i64) -> Vec<Message> {
        let due = self.waiting.iter().take_while(|(due_at, ..)| *due_at <= now_ms / 1000);
        due.map(|(_, vehicle, trip)| {
            let event =
                TripEvent { v: VERSION, vehicle: *vehicle, at_ms: now_ms, action: TripAction::Overdue { trip: *trip } };
            Message::new(&self.trips_topic, vehicle.to_string(), &event)
        })
        .collect()
    }
}

/// What runs a partition of the freight loop.
pub fn job(shared: runner::Shared, retention: Retention) -> Job {
    let topics = shared.kafka.topics();
    Arc::new(move |partition, commit, stop| {
        let machine = || FreightLoop::new(&topics.trips, &topics.alerts, retention);
        runner::run(&shared, partition, machine, commit, stop);
    })
}

fn row(row: &TripRow) -> Row {
    Row::new(row::TABLE, row)
}

#[cfg(test)]
mod tests;
