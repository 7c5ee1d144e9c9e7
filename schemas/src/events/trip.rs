//! Trips of lorries: declared in advance, scanned at a checkpoint, closed at the destination (S4 一.2, 二.2).
//!
//! The gateway writes down what is declared and cancelled, the processor where a lorry was scanned and what is overdue.
//! What becomes of a trip is the fold of all of them ([`crate::freight`]), in whatever order they come. A trip's identity
//! begins with the six digits of its destination's district.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{EventError, FreightScan, FreightStop, VERSION, Versioned, check_time, district_id, is_district, read};
use crate::{Colour, Direction, Method, PersonKey, PlateKey, ScanEvent, ScanRow, UnixSeconds, VenueId, Verdict};

/// Longest time from the declaration of a trip until it is due, in days; the gateway takes less where a city keeps less
/// ([`crate::Retention::trip_days`]).
const MAX_DUE_DAYS: i64 = 30;

/// One event of a lorry. Topic `trips`, key: plate key.
///
/// Nothing here names a person or shows a plate: both are keys, and the driver's answers are sealed by the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TripEvent {
    /// Message version.
    pub v: u8,
    /// The lorry.
    pub vehicle: PlateKey,
    /// When the gateway took the command or the scan, or the owner of the log wrote this, in milliseconds since 1970.
    pub at_ms: i64,
    /// What happened, or is to be done.
    pub action: TripAction,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TripAction {
    /// The driver declares a trip.
    Declare(Box<Declaration>),
    /// Takes a trip back on which the lorry has not entered yet.
    Cancel {
        /// The trip.
        trip: Uuid,
        /// Identity of the command. Sent again, it is still one.
        command: Uuid,
        /// Who takes it back; staff, when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<PersonKey>,
    },
    /// The lorry was scanned at a checkpoint.
    CheckpointScanned(Scanned),
    /// The lorry was scanned at a destination.
    DestinationScanned(Scanned),
    /// The trip was due and not over when this was written, by the owner of the log: so the log alone tells what was
    /// overdue when.
    Overdue {
        /// The trip.
        trip: Uuid,
    },
}

/// A declared trip (S4: 电子通行证申领和信息报备). The plate, the places that the driver wrote and everything about the
/// driver are in `sealed` alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Declaration {
    /// Identity of the trip: [`TripEvent::trip_id`].
    pub trip: Uuid,
    /// Who drives.
    pub driver: PersonKey,
    /// Checkpoint by which the lorry is to enter, if it was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<VenueId>,
    /// Where it is bound for.
    pub destination: VenueId,
    /// District of the destination, which looks after the trip.
    pub district: u32,
    /// Expected return to the province (S4: 预计返豫时间).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_return: Option<UnixSeconds>,
    /// Expected arrival at the destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_arrival: Option<UnixSeconds>,
    /// Expected departure from the province (S4: 预计离豫时间).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_leave: Option<UnixSeconds>,
    /// When the trip must be closed: the expected time and what the city allows beyond it.
    pub due_at: UnixSeconds,
    /// Whether fever or cough is declared.
    #[serde(default)]
    pub symptoms: bool,
    /// Whether a stay in a medium- or high-risk area is declared.
    #[serde(default)]
    pub risk: bool,
    /// The driver's answers to the freight form, encrypted by the gateway.
    pub sealed: String,
}

/// A scan of a lorry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Scanned {
    /// When.
    pub at: UnixSeconds,
    /// Identity of the scan.
    pub scan: Uuid,
    /// Who was scanned in it: the driver, or another one of the crew.
    pub person: PersonKey,
    /// Where.
    pub venue: VenueId,
    /// District of the venue.
    pub district: u32,
    /// How.
    pub method: Method,
    /// What the person was told. Who is refused does not enter, nor does the lorry (S4 二.3).
    pub verdict: Verdict,
    /// The graver one of the colour that was shown and the colour in force at the scan.
    pub colour: Colour,
}

impl Versioned for TripEvent {
    fn v(&self) -> u8 {
        self.v
    }
}

impl TripEvent {
    /// Reads and checks a message.
    ///
    /// # Errors
    /// When it is no event of a version known here, or a field holds what cannot be.
    pub fn try_parse(message: &[u8]) -> Result<Self, EventError> {
        let event: Self = read(message)?;
        check_time("at_ms", event.at_ms / 1000)?;
        let district = match &event.action {
            TripAction::Declare(declaration) => {
                declaration.check(event.at_ms / 1000)?;
                declaration.district
            }
            TripAction::CheckpointScanned(scanned) | TripAction::DestinationScanned(scanned) => {
                check_time("at", scanned.at)?;
                scanned.district
            }
            TripAction::Cancel { trip, .. } | TripAction::Overdue { trip } => {
                Self::district_of(*trip).unwrap_or_default()
            }
        };
        if !is_district(district) {
            return Err(EventError::Field { field: "district", problem: "is not a six-digit code (GB/T 2260)" });
        }
        if event.trip().is_some_and(|trip| Self::district_of(trip) != Some(district)) {
            return Err(EventError::Field { field: "trip", problem: "is of another district" });
        }
        Ok(event)
    }

    /// The event of an accepted scan at a venue of the freight loop; none of one on the way out, or anywhere else.
    pub fn of_accepted(scan: &ScanEvent, district: u32) -> Option<Self> {
        let scanned = Scanned {
            at: scan.scanned_at,
            scan: scan.event_id,
            person: scan.person,
            venue: scan.venue,
            district,
            method: scan.method,
            verdict: scan.verdict,
            colour: scan.colour,
        };
        Self::of_stop(scan.freight.as_ref()?, scan.direction, scanned, scan.accepted_at_ms)
    }

    /// The same of a stored scan, with the colour in force at the scan.
    pub fn of_scan(row: &ScanRow, freight: &FreightScan, accepted_at_ms: i64) -> Option<Self> {
        let scanned = Scanned {
            at: row.scanned_at,
            scan: row.event_id,
            person: row.person,
            venue: row.venue,
            district: row.district,
            method: row.method,
            verdict: row.verdict,
            colour: row.colour.max(row.colour_shown),
        };
        Self::of_stop(freight, row.direction, scanned, accepted_at_ms)
    }

    fn of_stop(freight: &FreightScan, direction: Direction, scanned: Scanned, accepted_at_ms: i64) -> Option<Self> {
        if direction != Direction::Entry {
            return None;
        }
        let action = match freight.stop {
            FreightStop::Checkpoint => TripAction::CheckpointScanned(scanned),
            FreightStop::Destination => TripAction::DestinationScanned(scanned),
        };
        Some(Self { v: VERSION, vehicle: freight.vehicle, at_ms: accepted_at_ms, action })
    }

    /// The trip that is declared, taken back or overdue; none of a scan.
    pub fn trip(&self) -> Option<Uuid> {
        match &self.action {
            TripAction::Declare(declaration) => Some(declaration.trip),
            TripAction::Cancel { trip, .. } | TripAction::Overdue { trip } => Some(*trip),
            TripAction::CheckpointScanned(_) | TripAction::DestinationScanned(_) => None,
        }
    }

    /// The identity of the trip to a district that a driver of a lorry sends as `request`, so that nobody can name
    /// another one's.
    pub fn trip_id(district: u32, vehicle: PlateKey, driver: PersonKey, request: Uuid) -> Uuid {
        let keys = [vehicle.to_u64(), driver.to_u64()].map(u64::to_le_bytes);
        district_id::derive(district, &[b"trip\0", keys.as_flattened(), request.as_bytes()])
    }

    /// The identity of what is known of a lorry that was scanned without a trip that is declared there.
    pub fn entry_id(scanned: &Scanned) -> Uuid {
        district_id::derive(scanned.district, &[b"entry\0", scanned.scan.as_bytes()])
    }

    /// The district that a trip's identity begins with; none when it cannot be a trip's.
    pub fn district_of(trip: Uuid) -> Option<u32> {
        district_id::district_of(trip)
    }
}

impl TripAction {
    /// The word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Declare(_) => "declare",
            Self::Cancel { .. } => "cancel",
            Self::CheckpointScanned(_) => "checkpoint_scanned",
            Self::DestinationScanned(_) => "destination_scanned",
            Self::Overdue { .. } => "overdue",
        }
    }
}

impl Declaration {
    fn check(&self, declared_at: UnixSeconds) -> Result<(), EventError> {
        for (field, at) in [
            ("expected_return", self.expected_return),
            ("expected_arrival", self.expected_arrival),
            ("expected_leave", self.expected_leave),
            ("due_at", Some(self.due_at)),
        ] {
            at.map_or(Ok(()), |at| check_time(field, at))?;
        }
        if self.due_at > declared_at + MAX_DUE_DAYS * 24 * 3600 {
            return Err(EventError::Field { field: "due_at", problem: "is more than 30 days after the declaration" });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
