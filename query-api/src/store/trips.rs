//! Trips of lorries, as the freight loop has them.

use clickhouse::Row;
use schemas::{PersonKey, VenueId};
use serde::Deserialize;
use uuid::Uuid;

use super::{Kind, Store, columns, listing::within};
use crate::QueryError;

/// The state of a trip after an event.
#[derive(Debug, Clone, Row, Deserialize)]
pub struct TripRow {
    /// The trip, or the lorry that was scanned without one.
    #[serde(with = "clickhouse::serde::uuid")]
    pub trip_id: Uuid,
    /// District of the destination; of the place where a lorry without a trip was scanned.
    pub district: u32,
    /// The lorry.
    pub vehicle_id: u64,
    /// Who drives; of a lorry without a trip, who was scanned.
    #[serde(deserialize_with = "columns::person")]
    pub driver_id: PersonKey,
    /// What the event says.
    pub action: String,
    /// When that was, in milliseconds since 1970.
    pub at_ms: i64,
    /// The scan or the command, if it was one.
    #[serde(with = "clickhouse::serde::uuid::option")]
    pub event_id: Option<Uuid>,
    /// What it did to the trip.
    pub step: String,
    /// Why the command was not carried out; empty when it was.
    pub refused: String,
    /// How far the trip is.
    pub state: String,
    /// Whether it was found to be due and not over.
    pub overdue: bool,
    /// Checkpoint that was named; 0 without one.
    pub checkpoint: VenueId,
    /// Where it is bound for; 0 of a lorry without a trip at a checkpoint.
    pub destination: VenueId,
    /// When it was declared, or a lorry without a trip scanned, in seconds since 1970; all times that follow as well.
    pub since: i64,
    /// Expected return to the province.
    pub expected_return: Option<i64>,
    /// Expected arrival at the destination.
    pub expected_arrival: Option<i64>,
    /// Expected departure from the province.
    pub expected_leave: Option<i64>,
    /// When it must be closed.
    pub due_at: Option<i64>,
    /// Whether fever or cough was declared.
    pub symptoms: bool,
    /// Whether a stay in a risk area was declared.
    pub risk: bool,
    /// When the lorry entered.
    pub entered_at: Option<i64>,
    /// By which checkpoint; 0 before.
    pub entered_venue: VenueId,
    /// When it arrived.
    pub closed_at: Option<i64>,
    /// When it was taken back.
    pub cancelled_at: Option<i64>,
    /// The trip that was open when this one was declared.
    #[serde(with = "clickhouse::serde::uuid::option")]
    pub instead_of: Option<Uuid>,
}

/// Which trips are meant; all parts hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TripFilter {
    /// Those to a district, or to all that begin with these digits.
    pub district: Option<u32>,
    /// Those of a driver.
    pub driver: Option<PersonKey>,
    /// Those in a state, or `overdue`.
    pub state: Option<&'static str>,
    /// Those declared from this time on, in seconds since 1970.
    pub since: u32,
}

impl Store {
    /// Every state of a trip, oldest first; none when there is no such trip.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn trip(&self, district: u32, trip: Uuid) -> Result<Vec<TripRow>, QueryError> {
        let query = self.query(include_str!("../sql/trip.sql")).param("district", district);
        self.rows(Kind::Trip, query.param("trip", trip.to_string())).await
    }

    /// The trips that are meant, as they are now, the last declared first, up to `limit`, and whether there are more.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn trips(&self, filter: &TripFilter, limit: usize) -> Result<(Vec<TripRow>, bool), QueryError> {
        let sql = include_str!("../sql/trips.sql");
        let query = if filter.driver.is_some() { self.query_of_person(sql) } else { self.query(sql) };
        let query = within(query, filter.district)
            .param("driver", filter.driver.map_or(0, PersonKey::to_u64))
            .param("since", i64::from(filter.since))
            .param("state", filter.state.unwrap_or_default());
        self.up_to(Kind::Trips, query, limit).await
    }
}
