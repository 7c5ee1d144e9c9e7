//! `GET /v1/occupancy`: how many are inside, where people are scanned on the way out.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use schemas::VenueId;
use serde::Serialize;
use service::Caller;
use utoipa::ToSchema;

use super::footfall::{scope, suppression_for};
use crate::{
    AppState, QueryError, answer,
    buckets::Step,
    input::{Fields, invalid},
    limits,
    refusals::Refusals,
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
    /// As of when; for dashboards the start of an hour, before which it is counted.
    at: DateTime<Utc>,
    /// People inside all venues where exits are scanned; null when that is not known of any, or a small group.
    inside: Option<u64>,
    /// Each venue that had scans within a week, most people first; for dashboards those whose people are shown.
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
/// Each person counts once at each code, however often they were scanned. Who leaves without a scan counts as inside until
/// midnight, and so does who leaves by a door with another code: single doors of a place tell who passed them, not who is
/// inside it.
#[utoipa::path(get, path = "/v1/occupancy", tag = "footfall",
    params(
        ("scope" = String, Query, pattern = "^(venue|organisation)$", description = "`venue` or `organisation`"),
        ("id" = String, Query, description = "Number of the venue, or unified social credit code of the organisation"),
        ("at" = Option<String>, Query, format = DateTime, description = "As of when; now when left out"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1_000, description = "Most venues; 100 when left out"),
    ),
    responses(
        (status = 200, description = "The people inside", body = OccupancyResponse),
        Refusals,
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
    let now = u32::try_from(Utc::now().timestamp()).unwrap_or_default();
    let at = fields.time("at")?.unwrap_or(now);
    let limit = fields.number("limit", 1..=MAX_LIMIT, DEFAULT_LIMIT)? as usize;
    fields.finish()?;

    limits::check_footfall(state.store(), caller.scope(), &asked.scope).await?;
    let suppression = suppression_for(caller.role(), &state);
    let start_of = |step: Step, at: u32| u32::try_from(step.start_of(at.into(), state.offset_s())).unwrap_or_default();
    // Of a time that runs, or of any second, two answers would tell who passed between them.
    let (at, until) = match suppression.is_none() {
        true => (at, at.saturating_add(1)),
        false => (start_of(Step::Hour, at.min(now)), start_of(Step::Hour, at.min(now))),
    };
    let midnight = start_of(Step::Day, at);
    let rows = state.store().occupancy(&asked.scope, until.saturating_sub(WEEK_S), midnight, until).await?;
    let mut shown = shown(&rows, suppression);
    let truncated = shown.len() > limit;
    shown.truncate(limit);
    let names = state.directory().names(shown.iter().map(|(row, _)| row.venue_id)).await?;
    let venue = |(row, inside): (&OccupancyRow, Option<u64>)| Occupancy {
        venue: row.venue_id,
        venue_name: names.of(row.venue_id).map(str::to_owned),
        exits_scanned: row.exits_scanned,
        inside,
    };
    let venues = shown.into_iter().map(venue).collect();
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

/// The venues that are listed, in order. Of those whose people are hidden a dashboard sees nothing, and the order of the
/// others tells no more than what is shown of them: so they are cut only after this.
fn shown(rows: &[OccupancyRow], suppression: Suppression) -> Vec<(&OccupancyRow, Option<u64>)> {
    let inside = |row: &OccupancyRow| known(row).and_then(|inside| suppression.of(inside));
    let mut shown: Vec<_> = rows.iter().map(|row| (row, inside(row))).collect();
    if !suppression.is_none() {
        shown.retain(|(_, inside)| inside.is_some());
        shown.sort_by_key(|(row, inside)| (std::cmp::Reverse(*inside), row.venue_id));
    }
    shown
}

fn known(row: &OccupancyRow) -> Option<u64> {
    row.exits_scanned.then_some(row.inside)
}

fn total(rows: &[OccupancyRow], suppression: Suppression) -> Option<u64> {
    let all = rows.iter().filter_map(known).reduce(|sum, inside| sum + inside)?;
    suppression.of(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dashboard_sees_rounded_venues_only_in_the_order_of_what_it_sees() {
        let row = |venue_id, inside, exits_scanned| OccupancyRow { venue_id, inside, exits_scanned };
        let rows = [row(5, 41, true), row(9, 29, true), row(2, 21, true), row(3, 9, true), row(4, 0, false)];
        let listed = |suppression| -> Vec<_> {
            shown(&rows, suppression).into_iter().map(|(row, inside)| (row.venue_id, inside)).collect()
        };
        assert_eq!(listed(Suppression::below(10)), [(5, Some(40)), (2, Some(20)), (9, Some(20))]);
        let all = [(5, Some(41)), (9, Some(29)), (2, Some(21)), (3, Some(9)), (4, None)];
        assert_eq!(listed(Suppression::NONE), all);
    }
}
