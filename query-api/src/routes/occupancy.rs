//! `GET /v1/occupancy`: how many are inside, where people are scanned on the way out.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use schemas::VenueId;
use serde::Serialize;
use service::{Caller, Problem};
use utoipa::ToSchema;

use super::footfall::{scope, suppression_for};
use crate::{
    AppState, QueryError, answer,
    buckets::Step,
    input::{Fields, invalid},
    limits,
    store::OccupancyRow,
    suppression::Suppression,
};

const SCOPE: &str = "venue or organisation";
const MAX_LIMIT: u32 = 1_000;
const DEFAULT_LIMIT: u32 = 100;
const WEEK_S: u32 = 7 * 86_400;

/// How many people are inside.
#[derive(Debug, Serialize, ToSchema)]
pub struct OccupancyResponse {
    /// As requested.
    scope: String,
    /// As requested.
    id: String,
    /// For dashboards: smaller numbers are hidden, and others rounded down to whole multiples of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    smallest_group: Option<u64>,
    /// Midnight of the city: whoever entered before is taken to have left.
    since: DateTime<Utc>,
    /// As of when.
    at: DateTime<Utc>,
    /// People inside all venues where exits are scanned; null when that is not known of any, or a small group.
    inside: Option<u64>,
    /// Each venue that had scans within a week, most people first.
    venues: Vec<Occupancy>,
    /// Whether there are more than the limit let through.
    truncated: bool,
}

/// How many people are inside one venue.
#[derive(Debug, Serialize, ToSchema)]
struct Occupancy {
    /// Number of the venue.
    venue: VenueId,
    /// Name of the venue; null when the directory does not have it.
    venue_name: Option<String>,
    /// Whether anybody was scanned on the way out within a week. Where nobody was, it is not known who is inside.
    exits_scanned: bool,
    /// People whose last passage since midnight was an entry that was not refused; null when it is not known, or a small
    /// group.
    inside: Option<u64>,
}

/// How many people are inside a venue, or the venues of an organisation
///
/// Each person counts once, however often they were scanned. Who leaves without a scan counts as inside until midnight.
#[utoipa::path(get, path = "/v1/occupancy", tag = "footfall",
    params(
        ("scope" = String, Query, pattern = "^(venue|organisation)$", description = "`venue` or `organisation`"),
        ("id" = String, Query, description = "Number of the venue, or unified social credit code of the organisation"),
        ("at" = Option<String>, Query, format = DateTime, description = "As of when; now when left out"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1_000, description = "Most venues; 100 when left out"),
    ),
    responses(
        (status = 200, description = "The people inside", body = OccupancyResponse),
        (status = 422, description = "A field is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not now", body = Problem, content_type = "application/problem+json"),
    ))]
pub async fn occupancy(
    State(state): State<AppState>,
    caller: Caller,
    mut fields: Fields,
) -> Result<Json<OccupancyResponse>, QueryError> {
    let asked = scope::scope(&mut fields, &state.city().city)?;
    if !asked.scope.is_of_venues() {
        return Err(invalid("scope", SCOPE));
    }
    let at = fields.time("at")?.unwrap_or_else(|| u32::try_from(Utc::now().timestamp()).unwrap_or_default());
    let limit = fields.number("limit", 1..=MAX_LIMIT, DEFAULT_LIMIT)? as usize;
    fields.finish()?;

    limits::check_footfall(state.store(), caller.scope(), &asked.scope).await?;
    let suppression = suppression_for(caller.role(), &state);
    let midnight = u32::try_from(Step::Day.start_of(at.into(), state.offset_s())).unwrap_or_default();
    let until = at.saturating_add(1);
    let rows = state.store().occupancy(&asked.scope, until.saturating_sub(WEEK_S), midnight, until).await?;
    let truncated = rows.len() > limit;
    let names = state.store().venue_names(rows.iter().take(limit).map(|row| row.venue_id)).await?;
    let venue = |row: &OccupancyRow| Occupancy {
        venue: row.venue_id,
        venue_name: names.of(row.venue_id).map(str::to_owned),
        exits_scanned: row.exits_scanned,
        inside: known(row).and_then(|inside| suppression.of(inside)),
    };
    let mut venues: Vec<_> = rows.iter().take(limit).map(venue).collect();
    if !suppression.is_none() {
        // Their order would tell more than their counts.
        venues.sort_by_key(|venue| (std::cmp::Reverse(venue.inside), venue.venue));
    }
    Ok(Json(OccupancyResponse {
        scope: asked.word,
        id: asked.id,
        smallest_group: suppression.smallest(),
        since: answer::time(midnight),
        at: answer::time(at),
        inside: total(&rows, suppression),
        venues,
        truncated,
    }))
}

fn known(row: &OccupancyRow) -> Option<u64> {
    row.exits_scanned.then_some(row.inside)
}

fn total(rows: &[OccupancyRow], suppression: Suppression) -> Option<u64> {
    let all = rows.iter().filter_map(known).reduce(|sum, inside| sum + inside)?;
    suppression.of(all)
}
