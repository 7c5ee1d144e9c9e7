//! `GET /v1/codes/unused` and `GET /v1/codes/missing`: what a regulator looks after (S4 三.1).

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use schemas::VenueId;
use serde::Serialize;
use service::Caller;
use utoipa::ToSchema;

use super::{
    district::area,
    visits::{DEFAULT_LIMIT, MAX_LIMIT},
};
use crate::{
    AppState, QueryError, answer,
    buckets::Step,
    input::Fields,
    refusals::Refusals,
    store::{MissingCodeRow, UnusedCodeRow},
};

const DEFAULT_DAYS: u32 = 7;
const MAX_DAYS: u32 = 366;

/// Venues whose codes nobody scans.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnusedCodesResponse {
    /// Midnight of the city, since which nobody has scanned there.
    since: DateTime<Utc>,
    /// By district and number.
    venues: Vec<UnusedCode>,
    /// Whether there are more than the limit let through.
    truncated: bool,
}

/// A venue in use whose code nobody scans.
#[derive(Debug, Serialize, ToSchema)]
struct UnusedCode {
    /// Number of the venue.
    venue: VenueId,
    /// Name of the venue.
    venue_name: String,
    /// Category, an id of the city profile.
    category: String,
    /// District.
    district: u32,
    /// The last scan there; null when none is kept.
    last_scan_at: Option<DateTime<Utc>>,
}

impl From<UnusedCodeRow> for UnusedCode {
    fn from(row: UnusedCodeRow) -> Self {
        let UnusedCodeRow { venue_id: venue, name: venue_name, category, district, last_scan } = row;
        let last_scan_at = (last_scan > 0).then(|| answer::time(last_scan));
        Self { venue, venue_name, category, district, last_scan_at }
    }
}

/// Organisations without a code.
#[derive(Debug, Serialize, ToSchema)]
pub struct MissingCodesResponse {
    /// Who applied first comes first.
    organisations: Vec<MissingCode>,
    /// Whether there are more than the limit let through.
    truncated: bool,
}

/// An organisation that applied and has no code.
#[derive(Debug, Serialize, ToSchema)]
struct MissingCode {
    /// Unified social credit code.
    organisation: String,
    /// Name as on its last application.
    organisation_name: String,
    /// Its applications.
    applications: u64,
    /// Those that wait for a review.
    waiting: u64,
    /// Those that were rejected.
    rejected: u64,
    /// Those whose code was revoked.
    revoked: u64,
    /// When it first applied.
    since: DateTime<Utc>,
    /// When any of them last changed.
    changed_at: DateTime<Utc>,
}

impl From<MissingCodeRow> for MissingCode {
    fn from(row: MissingCodeRow) -> Self {
        Self {
            organisation: row.organisation,
            organisation_name: row.organisation_name,
            applications: row.applications,
            waiting: row.waiting,
            rejected: row.rejected,
            revoked: row.revoked,
            since: answer::time_of_ms(row.since_ms),
            changed_at: answer::time_of_ms(row.changed_at_ms),
        }
    }
}

/// Venues in use whose codes nobody has scanned for some days
///
/// Days are those of China's time zone; today counts as one. A code that was issued in the meantime is listed as well, and so
/// is that of a temporary event that is over, until it is revoked.
#[utoipa::path(get, path = "/v1/codes/unused", tag = "venues",
    params(
        ("days" = Option<u32>, Query, minimum = 1, maximum = 366, description = "How many; 7 when left out"),
        ("district" = Option<u32>, Query, minimum = 11, maximum = 829_999,
            description = "A district (GB/T 2260), or its first two or four digits"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 10_000, description = "Most rows; 1000 when left out"),
    ),
    responses(
        (status = 200, description = "The venues", body = UnusedCodesResponse),
        Refusals,
    ))]
pub async fn unused(
    State(state): State<AppState>,
    caller: Caller,
    mut fields: Fields,
) -> Result<Json<UnusedCodesResponse>, QueryError> {
    let district = area(&mut fields, caller.scope())?;
    let days = fields.number("days", 1..=MAX_DAYS, DEFAULT_DAYS)?;
    let limit = fields.number("limit", 1..=MAX_LIMIT, DEFAULT_LIMIT)? as usize;
    fields.finish()?;
    let today = Step::Day.start_of(Utc::now().timestamp(), state.offset_s());
    let since = u32::try_from(today - i64::from(days - 1) * Step::Day.seconds()).unwrap_or_default();
    let (rows, truncated) = state.store().unused_codes(district, since, limit).await?;
    let venues = rows.into_iter().map(UnusedCode::from).collect();
    Ok(Json(UnusedCodesResponse { since: answer::time(since), venues, truncated }))
}

/// Organisations that applied for a code and have none
///
/// Nobody here knows who ought to have applied and did not. Of an organisation only its applications in the district are
/// told; whether it has a code is asked of the whole city.
#[utoipa::path(get, path = "/v1/codes/missing", tag = "venues",
    params(
        ("district" = Option<u32>, Query, minimum = 11, maximum = 829_999,
            description = "A district (GB/T 2260) that was applied in, or its first two or four digits"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 10_000, description = "Most rows; 1000 when left out"),
    ),
    responses(
        (status = 200, description = "The organisations", body = MissingCodesResponse),
        Refusals,
    ))]
pub async fn missing(
    State(state): State<AppState>,
    caller: Caller,
    mut fields: Fields,
) -> Result<Json<MissingCodesResponse>, QueryError> {
    let district = area(&mut fields, caller.scope())?;
    let limit = fields.number("limit", 1..=MAX_LIMIT, DEFAULT_LIMIT)? as usize;
    fields.finish()?;
    let (rows, truncated) = state.store().missing_codes(district, limit).await?;
    Ok(Json(MissingCodesResponse { organisations: rows.into_iter().map(MissingCode::from).collect(), truncated }))
}
