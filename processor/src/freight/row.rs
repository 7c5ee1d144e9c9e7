//! The row of a trip's state after an event, as `trips` takes it.

use schemas::{
    TripEvent, UnixSeconds, VenueId,
    events::{FreightStop, TripAction},
    freight::{SeenScan, Trip, TripState},
};
use serde::Serialize;
use uuid::Uuid;

use super::Step;

/// The table.
pub const TABLE: &str = "trips";

#[derive(Default, Serialize)]
pub struct TripRow {
    trip_id: Uuid,
    revision: u64,
    district: u32,
    vehicle_id: u64,
    driver_id: u64,
    since: UnixSeconds,
    action: &'static str,
    at_ms: i64,
    event_id: Option<Uuid>,
    step: &'static str,
    refused: &'static str,
    state: &'static str,
    overdue: bool,
    checkpoint: VenueId,
    destination: VenueId,
    expected_return: Option<UnixSeconds>,
    expected_arrival: Option<UnixSeconds>,
    expected_leave: Option<UnixSeconds>,
    due_at: Option<UnixSeconds>,
    symptoms: bool,
    risk: bool,
    entered_at: Option<UnixSeconds>,
    entered_venue: VenueId,
    closed_at: Option<UnixSeconds>,
    cancelled_at: Option<UnixSeconds>,
    instead_of: Option<Uuid>,
}

impl TripRow {
    /// The row of a trip after the event at offset `revision`.
    pub fn of_trip(revision: u64, event: &TripEvent, trip: &Trip, step: &Step) -> Self {
        let declaration = &trip.declaration;
        Self {
            trip_id: declaration.trip,
            district: declaration.district,
            driver_id: declaration.driver.to_u64(),
            since: trip.declared_at,
            step: step.word,
            refused: step.refused,
            state: trip.state.as_str(),
            overdue: trip.overdue,
            checkpoint: declaration.checkpoint.unwrap_or_default(),
            destination: declaration.destination,
            expected_return: declaration.expected_return,
            expected_arrival: declaration.expected_arrival,
            expected_leave: declaration.expected_leave,
            due_at: Some(declaration.due_at),
            symptoms: declaration.symptoms,
            risk: declaration.risk,
            entered_at: trip.entered.map(|scanned| scanned.at),
            entered_venue: trip.entered.map_or(0, |scanned| scanned.venue),
            closed_at: trip.closed.map(|scanned| scanned.at),
            cancelled_at: trip.cancelled_at,
            instead_of: trip.instead_of,
            ..Self::of_event(revision, event)
        }
    }

    /// The row of a lorry that was scanned without a trip that is declared there.
    pub fn of_entry(revision: u64, event: &TripEvent, scan: &SeenScan, state: TripState) -> Self {
        let scanned = &scan.scanned;
        let at = |stop| if scan.stop == stop { scanned.venue } else { 0 };
        Self {
            trip_id: TripEvent::entry_id(scanned),
            district: scanned.district,
            driver_id: scanned.person.to_u64(),
            since: scanned.at,
            step: state.as_str(),
            state: state.as_str(),
            checkpoint: at(FreightStop::Checkpoint),
            destination: at(FreightStop::Destination),
            entered_at: Some(scanned.at),
            entered_venue: scanned.venue,
            instead_of: scan.trip,
            ..Self::of_event(revision, event)
        }
    }

    fn of_event(revision: u64, event: &TripEvent) -> Self {
        let event_id = match &event.action {
            TripAction::Declare(_) | TripAction::Overdue { .. } => None,
            TripAction::Cancel { command, .. } => Some(*command),
            TripAction::CheckpointScanned(scanned) | TripAction::DestinationScanned(scanned) => Some(scanned.scan),
        };
        let (vehicle_id, action) = (event.vehicle.to_u64(), event.action.as_str());
        Self { revision, vehicle_id, action, at_ms: event.at_ms, event_id, ..Self::default() }
    }
}
