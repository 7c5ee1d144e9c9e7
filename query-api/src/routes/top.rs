//! `GET /v1/footfall/top`: where most people went.

use axum::{Json, extract::State};
use schemas::VenueId;
use serde::Serialize;
use service::Caller;
use utoipa::ToSchema;

use super::footfall::{scope, suppression_for, whole_buckets};
use crate::{
    AppState, QueryError,
    buckets::Step,
    input::{Fields, invalid},
    limits,
    refusals::Refusals,
    store::{TopCount, TopQuestion},
};

const BY: &str = "scans or people";
const MAX_LIMIT: u32 = 100;
const DEFAULT_LIMIT: u32 = 10;
const DAY_S: u32 = 86_400;
const ONE_DAY: &str = "the end of the day of the city that `from` is in: dashboards see one day at a time";
/// Venues that are looked at beyond the first ones, where these are left out for their few people.
const FURTHER: u64 = 1_000;

/// The venues with most scans or people.
#[derive(Debug, Serialize, ToSchema)]
pub struct TopResponse {
    /// As requested.
    scope: String,
    /// As requested; the city's short name for scope `city`.
    id: String,
    /// For dashboards: smaller groups are left out, and other counts rounded down to whole multiples of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    smallest_group: Option<u64>,
    /// Most first.
    venues: Vec<TopVenue>,
}

/// A venue and how many came.
#[derive(Debug, Serialize, ToSchema)]
struct TopVenue {
    /// Number of the venue.
    venue: VenueId,
    /// Name of the venue; null when the directory does not have it.
    venue_name: Option<String>,
    /// Scans, entries and exits alike.
    scans: u64,
    /// Distinct people.
    persons: u64,
}

/// The venues with most scans or people in a time
///
/// By scans over whole days of the city it is answered from kept counts, otherwise every scan of the scope is read; while
/// anybody polls, from memory until something of that time has changed, but for organisations. What is new counts about as
/// soon as in `GET /v1/footfall`.
#[utoipa::path(get, path = "/v1/footfall/top", tag = "footfall",
    params(
        ("scope" = String, Query, pattern = "^(venue|organisation|district|category|city)$",
            description = "`organisation`, `district`, `category` or `city`; `venue` for the one"),
        ("id" = Option<String>, Query, description = "As in `GET /v1/footfall`"),
        ("from" = String, Query, format = DateTime, description = "First second; for dashboards any on the one day that is counted"),
        ("to" = String, Query, format = DateTime, description = "First second after it; for dashboards no later than the day's end"),
        ("by" = Option<String>, Query, pattern = "^(scans|people)$", description = "`scans` when not given, or `people`"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Most venues; 10 when left out"),
    ),
    responses(
        (status = 200, description = "The venues; fewer than the limit if not so many have scans", body = TopResponse),
        Refusals,
    ))]
pub async fn top(
    State(state): State<AppState>,
    caller: Caller,
    mut fields: Fields,
) -> Result<Json<TopResponse>, QueryError> {
    let asked = scope::scope(&mut fields, &state.city().city)?;
    let mut time = fields.time_range()?;
    let by_people = match fields.text("by", BY)?.as_deref() {
        None | Some("scans") => false,
        Some("people") => true,
        Some(_) => return Err(invalid("by", BY)),
    };
    let limit = fields.number("limit", 1..=MAX_LIMIT, DEFAULT_LIMIT)?;
    fields.finish()?;

    limits::check_footfall(state.store(), caller.scope(), &asked.scope).await?;
    let suppression = suppression_for(caller.role(), &state);
    let offset_s = state.offset_s();
    if !suppression.is_none() {
        time = whole_buckets(time, Step::Day, offset_s);
        // What two times that overlap have in common would give the day that only one of them has.
        if time.to - time.from > DAY_S {
            return Err(invalid("to", ONE_DAY));
        }
    }
    let smallest = suppression.smallest().unwrap_or(1);
    let limit = u64::from(limit);
    let mut question = TopQuestion { scope: asked.scope, time, offset_s, by_people, smallest, limit, skipped: 0 };
    let mut counted = Vec::new();
    // Ordered by what is shown and cut last, the first of many are the same as the first of few.
    loop {
        let rows = state.board().top(&question).await?;
        let is_all = (rows.len() as u64) < question.limit;
        counted.extend(rows.iter().filter_map(|TopCount { venue, scans, persons }| {
            Some((*venue, suppression.of(*scans)?, suppression.of(*persons)?))
        }));
        if is_all || counted.len() as u64 >= limit {
            break;
        }
        question.skipped += question.limit;
        question.limit = FURTHER;
    }
    counted.truncate(limit as usize);
    let names = state.directory().names(counted.iter().map(|(venue, ..)| *venue)).await?;
    let venue = |(venue, scans, persons): (VenueId, u64, u64)| TopVenue {
        venue,
        venue_name: names.of(venue).map(str::to_owned),
        scans,
        persons,
    };
    let venues = counted.into_iter().map(venue).collect();
    Ok(Json(TopResponse { scope: asked.word, id: asked.id, smallest_group: suppression.smallest(), venues }))
}
