//! What becomes of a lorry's trips (S4 一.2, 二.2): declared in advance → scanned at a checkpoint → scanned at the
//! destination, which closes it. Pure.
//!
//! A [`Vehicle`] is a set of facts, and its [`Trips`] follow from the set by the times at which things happened, not by the
//! order in which they became known: whatever came late, twice or in another order ends in the same. How a lorry's day is
//! read is in [`timeline`].

mod timeline;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    PersonKey, UnixSeconds, VenueId,
    events::{Declaration, FreightStop, Scanned, TripAction, TripEvent},
};

/// Most facts of a kind that are kept of one lorry, the newest ones: many times what a month can have.
const MOST: usize = 1_000;

words! {
    /// How far a trip is.
    TripState {
        /// Declared; the lorry has not been scanned at a checkpoint.
        Declared = "declared",
        /// Scanned at a checkpoint.
        Entered = "entered",
        /// Scanned at its destination after that.
        Closed = "closed",
        /// Taken back before the lorry entered.
        Cancelled = "cancelled",
        /// Not taken: another trip of the lorry was open.
        Refused = "refused",
        /// Was overdue when the lorry's next trip was declared, which put it in its place.
        Abandoned = "abandoned",
        /// No trip at all: a lorry was scanned where none of its trips goes.
        Undeclared = "undeclared",
        /// The same, until a declaration from before it became known.
        Explained = "explained",
    }
}

words! {
    /// What a scan of a lorry was.
    ScanOutcome {
        /// The lorry enters on its trip.
        Entered = "entered",
        /// It arrives, and the trip is closed.
        Closed = "closed",
        /// It was scanned there before on the same trip, or another one of its crew was.
        Repeated = "repeated",
        /// The person was refused, so the lorry is held as well (S4 二.3).
        Held = "held",
        /// At the destination, without having been scanned at a checkpoint: that closes nothing.
        NotEntered = "not_entered",
        /// At a destination that its open trip does not go to.
        OtherDestination = "other_destination",
        /// No trip of the lorry is open.
        Undeclared = "undeclared",
    }
}

words! {
    /// Why a trip was not taken back.
    CancelRefusal {
        /// The lorry has entered.
        AlreadyEntered = "already_entered",
        /// The trip is over.
        AlreadyOver = "already_over",
        /// Somebody else than the driver asked.
        NotTheDriver = "not_the_driver",
    }
}

/// All that is known of a lorry. The same facts are the same lorry, in whatever order they were noted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vehicle {
    declarations: BTreeMap<Uuid, Declared>,
    scans: BTreeMap<Uuid, Scan>,
    cancels: BTreeMap<Uuid, Cancel>,
    /// When a trip was last found to be overdue.
    overdue: BTreeMap<Uuid, UnixSeconds>,
    /// The latest time that any fact has.
    latest: UnixSeconds,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Declared {
    at: UnixSeconds,
    declaration: Box<Declaration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Scan {
    scanned: Scanned,
    at_destination: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Cancel {
    at: UnixSeconds,
    trip: Uuid,
    by: Option<PersonKey>,
}

/// A lorry's trips, as they follow from what is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trips {
    /// By identity.
    pub trips: BTreeMap<Uuid, Trip>,
    /// What each scan was, by its identity.
    pub scans: BTreeMap<Uuid, SeenScan>,
    /// Commands that took nothing back, with the trip.
    pub refused_cancels: BTreeMap<Uuid, (Uuid, CancelRefusal)>,
}

/// A trip and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trip {
    /// What was declared.
    pub declaration: Declaration,
    /// When.
    pub declared_at: UnixSeconds,
    /// How far it is.
    pub state: TripState,
    /// The scan with which it entered.
    pub entered: Option<Scanned>,
    /// The scan with which it was closed.
    pub closed: Option<Scanned>,
    /// When it was taken back.
    pub cancelled_at: Option<UnixSeconds>,
    /// The trip that was open when this one was declared.
    pub instead_of: Option<Uuid>,
    /// Whether it was found to be due and not over.
    pub overdue: bool,
}

/// A scan and what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenScan {
    /// The scan.
    pub scanned: Scanned,
    /// Where.
    pub stop: FreightStop,
    /// What it was.
    pub outcome: ScanOutcome,
    /// Of which trip.
    pub trip: Option<Uuid>,
}

impl Vehicle {
    /// Notes an event. One that says something about the same trip, scan or command as an earlier one is a repetition; if
    /// they differ, the one that sorts first holds, whichever came first. What is so many seconds older than the latest is
    /// forgotten.
    pub fn note(&mut self, event: &TripEvent, kept_s: i64) {
        let at = event.at_ms / 1000;
        let happened_at = match &event.action {
            TripAction::Declare(declaration) => {
                let declared = Declared { at, declaration: declaration.clone() };
                keep_least(&mut self.declarations, declaration.trip, declared);
                at
            }
            TripAction::Cancel { trip, command, by } => {
                keep_least(&mut self.cancels, *command, Cancel { at, trip: *trip, by: *by });
                at
            }
            TripAction::CheckpointScanned(scanned) => self.note_scan(*scanned, false),
            TripAction::DestinationScanned(scanned) => self.note_scan(*scanned, true),
            TripAction::Overdue { trip } => {
                let last = self.overdue.entry(*trip).or_insert(at);
                *last = at.max(*last);
                at
            }
        };
        self.latest = self.latest.max(happened_at);
        self.forget(self.latest - kept_s);
    }

    fn note_scan(&mut self, scanned: Scanned, at_destination: bool) -> UnixSeconds {
        keep_least(&mut self.scans, scanned.scan, Scan { scanned, at_destination });
        scanned.at
    }

    /// Leaves out what was before a time, and the oldest of what is far too much.
    fn forget(&mut self, from: UnixSeconds) {
        keep_newest(&mut self.declarations, from, |declared| declared.at);
        keep_newest(&mut self.scans, from, |scan| scan.scanned.at);
        keep_newest(&mut self.cancels, from, |cancel| cancel.at);
        keep_newest(&mut self.overdue, from, |at| *at);
    }

    /// Who drives a trip that is known, whatever became of it.
    pub fn driver_of(&self, trip: Uuid) -> Option<PersonKey> {
        self.declarations.get(&trip).map(|declared| declared.declaration.driver)
    }

    /// The latest time that any fact has.
    pub const fn latest(&self) -> UnixSeconds {
        self.latest
    }
}

fn keep_least<T: Ord>(facts: &mut BTreeMap<Uuid, T>, id: Uuid, fact: T) {
    match facts.get(&id) {
        Some(known) if *known <= fact => {}
        _ => {
            facts.insert(id, fact);
        }
    }
}

fn keep_newest<T>(facts: &mut BTreeMap<Uuid, T>, from: UnixSeconds, at: impl Fn(&T) -> UnixSeconds) {
    if facts.values().any(|fact| at(fact) < from) {
        facts.retain(|_, fact| at(fact) >= from);
    }
    while facts.len() > MOST {
        let oldest = facts.iter().map(|(id, fact)| (at(fact), *id)).min();
        oldest.map(|(_, id)| facts.remove(&id));
    }
}

impl Trip {
    /// Whether the lorry is still to be scanned.
    pub const fn is_open(&self) -> bool {
        matches!(self.state, TripState::Declared | TripState::Entered)
    }

    /// Whether a venue is one of its places.
    fn has_stop(&self, venue: VenueId) -> bool {
        self.declaration.destination == venue || self.entered.is_some_and(|entered| entered.venue == venue)
    }

    /// Until when a closed trip answers for the lorry at its own places: until it was to leave.
    fn stays_until(&self) -> UnixSeconds {
        self.declaration.expected_leave.unwrap_or(self.declaration.due_at).max(self.declaration.due_at)
    }

    fn ended_at(&self) -> Option<UnixSeconds> {
        self.closed.map(|closed| closed.at).or(self.cancelled_at)
    }
}

impl SeenScan {
    /// Whether the district is to know of a lorry that no trip brings there.
    pub const fn is_undeclared(&self) -> bool {
        matches!(self.outcome, ScanOutcome::Undeclared | ScanOutcome::OtherDestination)
    }
}

#[cfg(test)]
mod tests;
