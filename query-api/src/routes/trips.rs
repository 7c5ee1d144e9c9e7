//! `GET /v1/trips` and `GET /v1/trips/{id}`: what became of the declared trips of lorries (S4 二.2).
//!
//! A driver sees the own trips; a district's office those to its district, with driver and lorry masked.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use schemas::{TripEvent, VenueId, access::Scope, freight::TripState};
use serde::Serialize;
use service::{Caller, Problem, openapi::IdOfDistrict};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    district,
    visits::{DEFAULT_LIMIT, MAX_LIMIT},
};
use crate::{
    AppState, QueryError,
    answer::{self, said},
    input::{Fields, Segment},
    refusals::Refusals,
    store::{TripFilter, TripRow, VenueNames},
};

const ID: &str = "the identity of a trip";
/// What `state` may ask for besides the states themselves.
const OVERDUE: &str = "overdue";

/// Trips.
#[derive(Debug, Serialize, ToSchema)]
pub struct TripsResponse {
    /// As they are now, the last declared first.
    trips: Vec<Trip>,
    /// Whether there are more than the limit let through.
    truncated: bool,
}

/// A trip with all that became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct TripResponse {
    #[serde(flatten)]
    trip: Trip,
    /// What happened, oldest first.
    history: Vec<TripEntry>,
}

/// A trip as it is now.
#[derive(Debug, Serialize, ToSchema)]
struct Trip {
    /// Its identity; of a lorry without a trip that of the entry.
    trip: Uuid,
    /// How far it is: declared, entered, closed, cancelled, refused or abandoned. Of a lorry that was scanned where none of
    /// its trips goes undeclared; explained, once a declaration from before became known.
    state: String,
    /// Whether it was found to be due and not over.
    overdue: bool,
    /// District of the destination; of the place where a lorry without a trip was scanned.
    district: u32,
    /// Last four digits of the lorry's key, the rest masked.
    #[schema(pattern = "^[*]{12}[0-9a-f]{4}$")]
    vehicle: String,
    /// Last four digits of the driver's person key, the rest masked.
    #[schema(pattern = "^[*]{12}[0-9a-f]{4}$")]
    driver: String,
    /// When it was declared; of a lorry without a trip, when it was scanned.
    since: DateTime<Utc>,
    /// Checkpoint that was named.
    checkpoint: Option<Place>,
    /// Where it is bound for.
    destination: Option<Place>,
    /// Expected return to the province.
    expected_return: Option<DateTime<Utc>>,
    /// Expected arrival at the destination.
    expected_arrival: Option<DateTime<Utc>>,
    /// Expected departure from the province.
    expected_leave: Option<DateTime<Utc>>,
    /// When it must be closed.
    due_at: Option<DateTime<Utc>>,
    /// Whether fever or cough was declared.
    symptoms: bool,
    /// Whether a stay in a medium- or high-risk area was declared.
    risk: bool,
    /// When the lorry was scanned at a checkpoint.
    entered_at: Option<DateTime<Utc>>,
    /// At which one.
    entered_by: Option<Place>,
    /// When it was scanned at its destination.
    closed_at: Option<DateTime<Utc>>,
    /// When it was taken back.
    cancelled_at: Option<DateTime<Utc>>,
    /// The trip that was open when this one was declared: why it is refused, or what it took the place of.
    instead_of: Option<Uuid>,
}

/// A venue by number and name.
#[derive(Debug, Serialize, ToSchema)]
struct Place {
    /// Number.
    venue: VenueId,
    /// Name; null when the directory does not have it.
    name: Option<String>,
}

/// What happened to a trip.
#[derive(Debug, Serialize, ToSchema)]
struct TripEntry {
    /// What it was: declare, cancel, checkpoint_scanned, destination_scanned or overdue.
    action: String,
    /// When the gateway took it, or the time was found to be over.
    at: DateTime<Utc>,
    /// The scan or the command, if it was one.
    event: Option<Uuid>,
    /// What it did: the state that the trip came into; or overdue, held, not_entered, not_cancelled or corrected.
    step: String,
    /// How far the trip was after it.
    state: String,
    /// Why it was not carried out: already_entered, already_over or not_the_driver.
    refused: Option<String>,
}

/// What became of a trip
///
/// An event is here within a second or two after the gateway took it; until then a trip is not known.
#[utoipa::path(get, path = "/v1/trips/{id}", tag = "trips",
    params(IdOfDistrict),
    responses(
        (status = 200, description = "The trip with its history", body = TripResponse),
        (status = 404, description = "`unknown-trip`", body = Problem, content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn trip(
    State(state): State<AppState>,
    caller: Caller,
    id: Segment,
    fields: Fields,
) -> Result<Json<TripResponse>, QueryError> {
    let (id, district) = district::identity(id, ID, TripEvent::district_of, caller.scope())?;
    fields.finish()?;
    let rows = state.store().trip(district, id).await?;
    let last = rows.last().ok_or(QueryError::UnknownTrip)?;
    // Another driver's trip is none for this one.
    if caller.scope().person.is_some_and(|own| own != last.driver_id) {
        return Err(QueryError::UnknownTrip);
    }
    let names = state.directory().names(places(last)).await?;
    let trip = Trip::new(last, &names);
    Ok(Json(TripResponse { trip, history: rows.into_iter().map(TripEntry::from).collect() }))
}

/// Trips to a district, or a driver's own, as they are now
#[utoipa::path(get, path = "/v1/trips", tag = "trips",
    params(
        ("district" = Option<u32>, Query, minimum = 11, maximum = 829_999, description = "A district of GB/T 2260, or its first digits"),
        ("state" = Option<String>, Query, pattern = "^(declared|entered|closed|cancelled|refused|abandoned|undeclared|explained|overdue)$", description = "declared, entered, closed, cancelled, refused, abandoned, undeclared, explained; or overdue: those that are open and were due"),
        ("since" = Option<String>, Query, format = DateTime, description = "Those declared from this time on"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 10_000, description = "Most of them; 1000 when left out"),
    ),
    responses(
        (status = 200, description = "The trips", body = TripsResponse),
        Refusals,
    ))]
pub async fn trips(
    State(state): State<AppState>,
    caller: Caller,
    mut fields: Fields,
) -> Result<Json<TripsResponse>, QueryError> {
    let filter = filter(&mut fields, caller.scope())?;
    let limit = fields.number("limit", 1..=MAX_LIMIT, DEFAULT_LIMIT)?;
    fields.finish()?;
    let (rows, truncated) = state.store().trips(&filter, limit as usize).await?;
    let names = state.directory().names(rows.iter().flat_map(places)).await?;
    Ok(Json(TripsResponse { trips: rows.iter().map(|row| Trip::new(row, &names)).collect(), truncated }))
}

/// What is asked for, within what the token is limited to.
fn filter(fields: &mut Fields, scope: &Scope) -> Result<TripFilter, QueryError> {
    const STATE: &str =
        "one of declared, entered, closed, cancelled, refused, abandoned, undeclared, explained, overdue";
    let district = district::area(fields, scope)?;
    let words = TripState::ALL.iter().map(|state| state.as_str()).chain([OVERDUE]);
    let state = district::state(fields, STATE, words)?;
    let since = fields.time("since")?.unwrap_or_default();
    Ok(TripFilter { district, driver: scope.person, state, since })
}

fn places(row: &TripRow) -> impl Iterator<Item = VenueId> + use<> {
    [row.checkpoint, row.destination, row.entered_venue].into_iter().filter(|venue| *venue > 0)
}

impl Trip {
    fn new(row: &TripRow, names: &VenueNames) -> Self {
        let at = |at: Option<i64>| at.map(answer::time);
        let place = |venue: VenueId| (venue > 0).then(|| Place { venue, name: names.of(venue).map(str::to_owned) });
        Self {
            trip: row.trip_id,
            state: row.state.clone(),
            overdue: row.overdue,
            district: row.district,
            vehicle: answer::masked(row.vehicle_id),
            driver: answer::masked(row.driver_id.to_u64()),
            since: answer::time(row.since),
            checkpoint: place(row.checkpoint),
            destination: place(row.destination),
            expected_return: at(row.expected_return),
            expected_arrival: at(row.expected_arrival),
            expected_leave: at(row.expected_leave),
            due_at: at(row.due_at),
            symptoms: row.symptoms,
            risk: row.risk,
            entered_at: at(row.entered_at),
            entered_by: place(row.entered_venue),
            closed_at: at(row.closed_at),
            cancelled_at: at(row.cancelled_at),
            instead_of: row.instead_of,
        }
    }
}

impl From<TripRow> for TripEntry {
    fn from(row: TripRow) -> Self {
        Self {
            action: row.action,
            at: answer::time_of_ms(row.at_ms),
            event: row.event_id,
            step: row.step,
            state: row.state,
            refused: said(row.refused),
        }
    }
}
