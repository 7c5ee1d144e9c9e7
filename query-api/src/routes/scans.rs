//! `GET /v1/scans`: an operator's own scans in detail, with masked identities (S0).

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use schemas::{Colour, Direction, Method, Reason, Reasons, VenueId, Verdict};
use serde::Serialize;
use service::{Caller, Problem};
use utoipa::ToSchema;

use super::{
    footfall::scope,
    visits::{DEFAULT_LIMIT, MAX_LIMIT},
};
use crate::{
    AppState, QueryError, answer,
    buckets::Step,
    input::{Fields, invalid},
    limits,
    store::{ScanDetailRow, VenueNames},
};

const SCOPE: &str = "venue or organisation";

/// Scans in detail.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScansResponse {
    /// Newest first.
    scans: Vec<ScanDetail>,
    /// Whether there are more than the limit let through.
    truncated: bool,
}

/// A scan.
#[derive(Debug, Serialize, ToSchema)]
struct ScanDetail {
    /// Number of the venue.
    venue: VenueId,
    /// Name of the venue; null when the directory does not have it.
    venue_name: Option<String>,
    /// Four digits that are the same for all scans of a person at this venue on this day of the city, and others elsewhere
    /// and on other days; the rest is masked.
    #[schema(pattern = "^[*]{12}[0-9a-f]{4}$")]
    person: String,
    /// When.
    scanned_at: DateTime<Utc>,
    /// How.
    method: Method,
    /// In or out.
    direction: Direction,
    /// What the person was told.
    verdict: Verdict,
    /// Why the person was refused.
    reasons: Vec<Reason>,
    /// Colour in force at the scan.
    colour: Colour,
}

impl ScanDetail {
    fn new(row: &ScanDetailRow, names: &VenueNames, offset_s: i64) -> Self {
        Self {
            venue: row.venue_id,
            venue_name: names.of(row.venue_id).map(str::to_owned),
            person: answer::masked(alias(row, offset_s)),
            scanned_at: answer::time(row.scanned_at),
            method: row.method,
            direction: row.direction,
            verdict: row.verdict,
            reasons: Reasons::from_bits(row.reasons).iter().collect(),
            colour: row.colour,
        }
    }
}

/// Who it was, for one venue and one day: whoever sees several venues can follow nobody from one to the other.
fn alias(row: &ScanDetailRow, offset_s: i64) -> u64 {
    let day = Step::Day.start_of(row.scanned_at.into(), offset_s);
    let mut hasher = DefaultHasher::new();
    (row.person_id, row.venue_id, day).hash(&mut hasher);
    hasher.finish()
}

/// The scans at a venue or those of an organisation, newest first
///
/// Whose they are is masked: the digits tell people apart at one venue on one day, and look nobody up.
#[utoipa::path(get, path = "/v1/scans", tag = "footfall",
    params(
        ("scope" = String, Query, pattern = "^(venue|organisation)$", description = "`venue` or `organisation`"),
        ("id" = String, Query, description = "Number of the venue, or unified social credit code of the organisation"),
        ("from" = String, Query, format = DateTime, description = "First second"),
        ("to" = String, Query, format = DateTime, description = "First second after it"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 10_000, description = "Most rows; 1000 when left out"),
    ),
    responses(
        (status = 200, description = "The scans", body = ScansResponse),
        (status = 422, description = "A field is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not now", body = Problem, content_type = "application/problem+json"),
    ))]
pub async fn scans(
    State(state): State<AppState>,
    caller: Caller,
    mut fields: Fields,
) -> Result<Json<ScansResponse>, QueryError> {
    let asked = scope::scope(&mut fields, &state.city().city)?;
    if !asked.scope.is_of_venues() {
        return Err(invalid("scope", SCOPE));
    }
    let time = fields.time_range()?;
    let limit = fields.number("limit", 1..=MAX_LIMIT, DEFAULT_LIMIT)? as usize;
    fields.finish()?;

    limits::check_footfall(state.store(), caller.scope(), &asked.scope).await?;
    let (rows, truncated) = state.store().scans(&asked.scope, time, limit).await?;
    let offset_s = state.offset_s();
    let names = state.store().venue_names(rows.iter().map(|row| row.venue_id)).await?;
    Ok(Json(ScansResponse {
        scans: rows.iter().map(|row| ScanDetail::new(row, &names, offset_s)).collect(),
        truncated,
    }))
}
