//! `GET /v1/footfall`: scans, people and colours over time.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use schemas::events::is_district;
use serde::Serialize;
use service::{Caller, Problem};
use utoipa::ToSchema;

use super::visitors;
use crate::{
    AppState, QueryError, answer,
    buckets::Step,
    input::{Fields, invalid},
    limits,
    store::{BucketRow, FootfallQuestion, Scope},
};

/// Most buckets between `from` and `to`.
pub const MAX_BUCKETS: u64 = 50_000;

const SCOPE: &str = "venue, district, category or city";
const STEP: &str = "minute, hour or day";
const PEOPLE: &str = "true or false";
const MAX_CATEGORY_BYTES: usize = 64;

/// Footfall over time.
#[derive(Debug, Serialize, ToSchema)]
pub struct FootfallResponse {
    /// As requested.
    scope: String,
    /// As requested; the city's short name for scope `city`.
    id: String,
    /// Length of a bucket.
    step: Step,
    /// Those that have scans, in order. The first and the last count only what is in the time that was asked for.
    buckets: Vec<Bucket>,
}

/// The counts of one step of time.
#[derive(Debug, Serialize, ToSchema)]
struct Bucket {
    /// Its start; hours and days begin by the city's clock.
    start: DateTime<Utc>,
    /// Scans, entries and exits alike.
    scans: u64,
    /// Distinct people, unless left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    persons: Option<u64>,
    /// Scans by the colour in force at the scan.
    colours: ColourCounts,
}

/// Scans by colour.
#[derive(Debug, Serialize, ToSchema)]
struct ColourCounts {
    green: u64,
    yellow: u64,
    red: u64,
    /// No valid colour was known.
    unknown: u64,
}

impl Bucket {
    fn new(row: BucketRow, people: bool) -> Self {
        let BucketRow { start, scans, persons, green, yellow, red, unknown } = row;
        let persons = people.then_some(persons);
        Self { start: answer::time(start), scans, persons, colours: ColourCounts { green, yellow, red, unknown } }
    }
}

/// Scans, distinct people and colours in each step of time that has any.
#[utoipa::path(get, path = "/v1/footfall", tag = "scans",
    params(
        ("scope" = String, Query, pattern = "^(venue|district|category|city)$", description = "`venue`, `district`, `category` or `city`"),
        ("id" = Option<String>, Query,
            description = "Number of the venue, six-digit code of the district, id of the category; not for the city"),
        ("from" = String, Query, format = DateTime, description = "First second"),
        ("to" = String, Query, format = DateTime, description = "First second after it"),
        ("step" = Step, Query, description = "Length of a bucket; at most 50000 of them"),
        ("people" = Option<bool>, Query,
            description = "`false` leaves distinct people out; whole hours and days are then answered from kept counts, \
                           many times faster, except for a venue. `true` when not given"),
    ),
    responses(
        (status = 200, description = "The buckets that have scans", body = FootfallResponse),
        (status = 422, description = "A field is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not now", body = Problem, content_type = "application/problem+json"),
    ))]
pub async fn footfall(
    State(state): State<AppState>,
    caller: Caller,
    mut fields: Fields,
) -> Result<Json<FootfallResponse>, QueryError> {
    let word = fields.required("scope", SCOPE)?;
    let (scope, id) = scope(&word, fields.text("id", "a text")?, &state.city().city)?;
    let time = fields.time_range()?;
    let step = fields.required("step", STEP)?;
    let step = Step::ALL.iter().copied().find(|s| s.as_str() == step).ok_or_else(|| invalid("step", STEP))?;
    let people = match fields.text("people", PEOPLE)?.as_deref() {
        None | Some("true") => true,
        Some("false") => false,
        Some(_) => return Err(invalid("people", PEOPLE)),
    };
    fields.finish()?;
    let offset_s = i64::from(state.city().utc_offset_minutes) * 60;
    let buckets = step.count(time.from.into(), time.to.into(), offset_s);
    if buckets > MAX_BUCKETS {
        return Err(QueryError::TooManyBuckets { buckets, limit: MAX_BUCKETS });
    }

    limits::check_footfall(state.store(), caller.scope(), &scope).await?;
    let rows = state.store().footfall(&FootfallQuestion { scope, time, step, offset_s, people }).await?;
    let buckets = rows.into_iter().map(|row| Bucket::new(row, people)).collect();
    Ok(Json(FootfallResponse { scope: word, id, step, buckets }))
}

/// The scope, and its id as the answer repeats it.
fn scope(word: &str, id: Option<String>, city: &str) -> Result<(Scope, String), QueryError> {
    if word == "city" {
        let own = id.is_none_or(|id| id == city);
        let expected = format!("`{city}`, the city of this service, or nothing");
        return if own { Ok((Scope::City, city.to_owned())) } else { Err(invalid("id", &expected)) };
    }
    let expected = match word {
        "venue" => "the number of a venue",
        "district" => "the six-digit code of a district (GB/T 2260)",
        "category" => "the id of a category, of 1 to 64 bytes",
        _ => return Err(invalid("scope", SCOPE)),
    };
    let id = id.ok_or_else(|| QueryError::MissingField { field: "id", expected: expected.to_owned() })?;
    let scope = match word {
        "venue" => Scope::Venue(visitors::venue(&id, "id")?),
        "district" => {
            let code = visitors::venue(&id, "id").ok().filter(|code| is_district(*code));
            Scope::District(code.ok_or_else(|| invalid("id", expected))?)
        }
        _ if id.is_empty() || id.len() > MAX_CATEGORY_BYTES => return Err(invalid("id", expected)),
        _ => Scope::Category(id.clone()),
    };
    Ok((scope, id))
}
