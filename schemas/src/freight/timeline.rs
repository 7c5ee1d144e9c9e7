//! A lorry's facts, read in the order of their times.

use uuid::Uuid;

use super::{Cancel, CancelRefusal, Declared, Scan, ScanOutcome, SeenScan, Trip, TripState, Trips, Vehicle};
use crate::{UnixSeconds, Verdict, events::FreightStop};

/// A fact. Within a second a declaration comes before what follows on it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Fact<'v> {
    Declared(&'v Declared),
    Cancelled(&'v Uuid, &'v Cancel),
    Scanned(&'v Scan),
}

impl Fact<'_> {
    const fn at(&self) -> UnixSeconds {
        match self {
            Self::Declared(declared) => declared.at,
            Self::Cancelled(_, cancel) => cancel.at,
            Self::Scanned(scan) => scan.scanned.at,
        }
    }

    /// Checkpoints come before destinations: a factory may have its gate beside one.
    const fn rank(&self) -> u8 {
        match self {
            Self::Declared(_) => 0,
            Self::Cancelled(..) => 1,
            Self::Scanned(scan) => 2 + scan.at_destination as u8,
        }
    }
}

/// Where the reading is.
#[derive(Default)]
struct Reading {
    trips: Trips,
    /// The trip that is open: a lorry has one at a time.
    open: Option<Uuid>,
    /// The trip that was closed last.
    closed: Option<Uuid>,
}

impl Vehicle {
    /// The lorry's trips.
    pub fn trips(&self) -> Trips {
        let declared = self.declarations.values().map(Fact::Declared);
        let cancelled = self.cancels.iter().map(|(command, cancel)| Fact::Cancelled(command, cancel));
        let mut facts: Vec<Fact<'_>> =
            declared.chain(cancelled).chain(self.scans.values().map(Fact::Scanned)).collect();
        facts.sort_by(|a, b| (a.at(), a.rank(), a).cmp(&(b.at(), b.rank(), b)));
        let mut reading = Reading::default();
        for fact in facts {
            match fact {
                Fact::Declared(declared) => reading.declare(declared),
                Fact::Cancelled(command, cancel) => reading.cancel(*command, cancel),
                Fact::Scanned(scan) => reading.scan(scan),
            }
        }
        let mut trips = reading.trips;
        for (id, found_at) in &self.overdue {
            if let Some(trip) = trips.trips.get_mut(id) {
                let due_at = trip.declaration.due_at;
                // A scan from before, which became known after: the lorry was in time.
                let was_over = trip.ended_at().is_some_and(|ended_at| ended_at <= due_at);
                trip.overdue = *found_at >= due_at && !was_over && trip.state != TripState::Refused;
            }
        }
        trips
    }
}

impl Reading {
    fn declare(&mut self, declared: &Declared) {
        let declaration = (*declared.declaration).clone();
        let id = declaration.trip;
        let mut trip = Trip {
            declaration,
            declared_at: declared.at,
            state: TripState::Declared,
            entered: None,
            closed: None,
            cancelled_at: None,
            instead_of: None,
            overdue: false,
        };
        // A driver who never came to the destination does not keep the lorry from its next trip.
        if let Some(open) = self.open.and_then(|open| self.trips.trips.get_mut(&open)) {
            trip.instead_of = Some(open.declaration.trip);
            if open.declaration.due_at <= declared.at {
                open.state = TripState::Abandoned;
                self.open = Some(id);
            } else {
                trip.state = TripState::Refused;
            }
        } else {
            self.open = Some(id);
        }
        self.trips.trips.insert(id, trip);
    }

    fn cancel(&mut self, command: Uuid, cancel: &Cancel) {
        let Some(trip) = self.trips.trips.get_mut(&cancel.trip) else { return };
        let refusal = match trip.state {
            _ if cancel.by.is_some_and(|by| by != trip.declaration.driver) => CancelRefusal::NotTheDriver,
            TripState::Declared => {
                (trip.state, trip.cancelled_at) = (TripState::Cancelled, Some(cancel.at));
                self.open = None;
                return;
            }
            TripState::Entered => CancelRefusal::AlreadyEntered,
            _ => CancelRefusal::AlreadyOver,
        };
        self.trips.refused_cancels.insert(command, (cancel.trip, refusal));
    }

    fn scan(&mut self, scan: &Scan) {
        let (outcome, trip) = match self.open {
            Some(open) => (self.on_open(open, scan), Some(open)),
            None => self.on_none(scan),
        };
        let stop = if scan.at_destination { FreightStop::Destination } else { FreightStop::Checkpoint };
        self.trips.scans.insert(scan.scanned.scan, SeenScan { scanned: scan.scanned, stop, outcome, trip });
    }

    fn on_open(&mut self, open: Uuid, scan: &Scan) -> ScanOutcome {
        let Some(trip) = self.trips.trips.get_mut(&open) else { return ScanOutcome::Undeclared };
        let scanned = scan.scanned;
        if scanned.verdict == Verdict::Refuse {
            return ScanOutcome::Held;
        }
        match (scan.at_destination, trip.state) {
            (false, TripState::Declared) => {
                (trip.state, trip.entered) = (TripState::Entered, Some(scanned));
                ScanOutcome::Entered
            }
            (false, _) => ScanOutcome::Repeated,
            (true, _) if trip.declaration.destination != scanned.venue => ScanOutcome::OtherDestination,
            (true, TripState::Entered) => {
                (trip.state, trip.closed) = (TripState::Closed, Some(scanned));
                (self.open, self.closed) = (None, Some(open));
                ScanOutcome::Closed
            }
            (true, _) => ScanOutcome::NotEntered,
        }
    }

    /// A closed trip answers for the lorry at its own places until it was to leave: crews are scanned one by one, and a
    /// lorry drives in and out while it is unloaded.
    fn on_none(&self, scan: &Scan) -> (ScanOutcome, Option<Uuid>) {
        let closed = self.closed.and_then(|id| self.trips.trips.get(&id));
        match closed.filter(|trip| trip.has_stop(scan.scanned.venue) && scan.scanned.at <= trip.stays_until()) {
            Some(trip) => (ScanOutcome::Repeated, Some(trip.declaration.trip)),
            None => (ScanOutcome::Undeclared, None),
        }
    }
}
