//! `GET /v1/footfall`: scans, people, colours and methods over time.

mod bucket;
pub mod scope;
mod table;

use axum::{extract::State, response::Response};
use chrono::Utc;
use schemas::access::Role;
use serde::Serialize;
use service::Caller;
use utoipa::ToSchema;

use bucket::Bucket;
pub use bucket::Counts;

use crate::{
    AppState, QueryError,
    buckets::Step,
    export,
    input::{Fields, invalid},
    limits,
    refusals::Refusals,
    store::{BucketRow, FootfallQuestion, People, Scope, TimeRange},
    suppression::Suppression,
};

/// Most buckets between `from` and `to`.
pub const MAX_BUCKETS: u64 = 50_000;

const STEP: &str = "minute, hour or day";
const PEOPLE: &str = "true, false or estimate";
/// A year: the earlier period lies within what could ever be kept.
const MAX_EARLIER_DAYS: u32 = 366;
const DAY_S: u32 = 86_400;

/// Footfall over time.
#[derive(Debug, Serialize, ToSchema)]
pub struct FootfallResponse {
    /// As requested.
    scope: String,
    /// As requested; the city's short name for scope `city`.
    id: String,
    /// Length of a bucket.
    step: Step,
    /// For dashboards: smaller groups are hidden. A bucket that is not listed has fewer scans, or none; what is null is
    /// smaller or would give away what is; other counts are rounded down to whole multiples of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    smallest_group: Option<u64>,
    /// Whether people are estimated, from sketches that are off by 0.6 % (one standard deviation).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    persons_estimated: bool,
    /// Those that have scans, in order. The first and the last count only what is in the time that was asked for, but
    /// whole buckets for dashboards, without the minute that runs.
    buckets: Vec<Bucket>,
    /// The same time so many days earlier, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    earlier: Option<Vec<Bucket>>,
}

/// What a role is shown: dashboards hang where anybody sees them.
pub fn suppression_for(role: Role, state: &AppState) -> Suppression {
    if role == Role::Dashboard { Suppression::below(state.limits().smallest_group) } else { Suppression::NONE }
}

/// Scans, distinct people, colours, methods, refusals and exits in each step of time that has any scan
///
/// Whole minutes of a city, district or category without people are answered from kept counts, and so are days of a city
/// or district with estimated people: in a time that does not grow with their scans. Venues and organisations are counted
/// from their own scans.
///
/// While anybody polls, whatever has not changed is answered from memory: scans of the last minutes count about a second
/// after they were stored, and ones that came late about five; under load up to 9 and 25. Exact times within a minute, and
/// organisations, are asked for each time.
#[utoipa::path(get, path = "/v1/footfall", tag = "footfall",
    params(
        ("scope" = String, Query, pattern = "^(venue|organisation|district|category|city)$",
            description = "`venue`, `organisation`, `district`, `category` or `city`"),
        ("id" = Option<String>, Query, description = "Number of the venue, unified social credit code of the \
             organisation, six-digit code of the district, id of the category; not for the city"),
        ("from" = String, Query, format = DateTime, description = "First second"),
        ("to" = String, Query, format = DateTime, description = "First second after it"),
        ("step" = Step, Query, description = "Length of a bucket; at most 50000 of them"),
        ("people" = Option<String>, Query, pattern = "^(true|false|estimate)$",
            description = "`true` counts distinct people one by one, which takes every scan of what has changed to be read; `estimate` tells \
                           them from sketches for whole days of the city or a district, and counts them otherwise; \
                           `false` leaves them out. When not given they are counted for a venue or an organisation only"),
        ("earlier_days" = Option<u32>, Query, minimum = 1, maximum = 366,
            description = "Counts the same time so many days earlier as well, to compare with"),
        ("format" = Option<String>, Query, pattern = "^(json|csv|ndjson|parquet)$", description = "`json`, when left out, `csv`, `ndjson` or `parquet`"),
    ),
    responses(
        (status = 200, description = "The buckets that have scans",
            content((FootfallResponse = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"), (Vec<u8> = "application/vnd.apache.parquet")),
            headers(("Content-Disposition" = String, description = "The name of a file"), ("x-row-count" = u64, description = "Rows of a file"),
                ("x-truncated" = bool, description = "Whether a limit left anything out of a file"))),
        Refusals,
    ))]
pub async fn footfall(
    State(state): State<AppState>,
    caller: Caller,
    mut fields: Fields,
) -> Result<Response, QueryError> {
    let asked = scope::scope(&mut fields, &state.city().city)?;
    let mut time = fields.time_range()?;
    let step = fields.required("step", STEP)?;
    let step = Step::ALL.iter().copied().find(|s| s.as_str() == step).ok_or_else(|| invalid("step", STEP))?;
    let people = match fields.text("people", PEOPLE)?.as_deref() {
        Some("true") => People::Exact,
        Some("estimate") => People::Estimate,
        Some("false") => People::No,
        None if asked.scope.is_of_venues() => People::Exact,
        None => People::No,
        Some(_) => return Err(invalid("people", PEOPLE)),
    };
    let earlier_days = fields.number("earlier_days", 1..=MAX_EARLIER_DAYS, 0)?;
    let format = export::format(&mut fields)?;
    fields.finish()?;
    let offset_s = state.offset_s();
    let buckets = step.count(time.from.into(), time.to.into(), offset_s);
    if buckets > MAX_BUCKETS {
        return Err(QueryError::TooManyBuckets { buckets, limit: MAX_BUCKETS });
    }

    limits::check_footfall(state.store(), caller.scope(), &asked.scope).await?;
    let suppression = suppression_for(caller.role(), &state);
    let shows_people = people != People::No;
    let mut question = FootfallQuestion { scope: asked.scope, time, step, offset_s, people };
    if !suppression.is_none() {
        // Two times that differ by a second would tell what happened in it.
        time = whole_buckets(time, step, offset_s);
        question.time = time;
        // A venue with many scans of few people has a small group in it.
        question.people =
            if matches!(question.scope, Scope::Venue(_) | Scope::Organisation(_)) { People::Exact } else { people };
    }
    let buckets = counted(&state, &question, shows_people, suppression).await?;
    let earlier = match earlier_days {
        0 => None,
        days => {
            question.time = before(time, days)?;
            Some(counted(&state, &question, shows_people, suppression).await?)
        }
    };
    let answer = FootfallResponse {
        scope: asked.word,
        id: asked.id,
        step,
        smallest_group: suppression.smallest(),
        persons_estimated: question.is_of_sketches(),
        buckets,
        earlier,
    };
    Ok(export::answer(state.exits().way(format)?, answer))
}

async fn counted(
    state: &AppState,
    question: &FootfallQuestion,
    shows_people: bool,
    suppression: Suppression,
) -> Result<Vec<Bucket>, QueryError> {
    let rows = match suppression.is_none() {
        true => state.board().footfall(question).await?,
        false => counted_so_far(state, question).await?,
    };
    let counts_people = question.people != People::No;
    Ok(rows.iter().filter_map(|row| Bucket::new(row, counts_people, shows_people, suppression)).collect())
}

/// The counts without the minute that runs, in which one would see each scan come. Sketches are of whole days, and show
/// the estimated people of the one that runs.
async fn counted_so_far(state: &AppState, question: &FootfallQuestion) -> Result<Vec<BucketRow>, QueryError> {
    let time = until_running(question.time, Utc::now().timestamp(), state.offset_s());
    if time == question.time {
        return state.board().footfall(question).await;
    }
    if time.to <= time.from {
        return Ok(Vec::new());
    }
    let mut so_far = FootfallQuestion { time, ..question.clone() };
    if !question.is_of_sketches() {
        return state.board().footfall(&so_far).await;
    }
    so_far.people = People::No;
    let people = state.board().footfall(question).await?;
    let mut rows = state.board().footfall(&so_far).await?;
    for row in &mut rows {
        row.persons = people.iter().find(|day| day.start == row.start).map_or(0, |day| day.persons);
    }
    Ok(rows)
}

/// A time as far as it lies before the minute that runs.
pub fn until_running(time: TimeRange, now: i64, offset_s: i64) -> TimeRange {
    let running = u32::try_from(Step::Minute.start_of(now, offset_s)).unwrap_or_default();
    TimeRange { to: time.to.min(running), ..time }
}

/// The time from the start of the first bucket to the end of the last one.
pub fn whole_buckets(time: TimeRange, step: Step, offset_s: i64) -> TimeRange {
    let in_range = |at: i64| u32::try_from(at.max(0)).unwrap_or(u32::MAX);
    let from = in_range(step.start_of(time.from.into(), offset_s));
    TimeRange { from, to: in_range(step.end_of(i64::from(time.to) - 1, offset_s)) }
}

/// The same time so many days earlier.
fn before(time: TimeRange, days: u32) -> Result<TimeRange, QueryError> {
    let earlier = |at: u32| at.checked_sub(days * DAY_S).ok_or_else(|| invalid("earlier_days", "a time after 1970"));
    Ok(TimeRange { from: earlier(time.from)?, to: earlier(time.to)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dashboard_gets_whole_buckets_that_have_all_that_was_asked_for() {
        let (offset, midnight) = (8 * 3_600, 1_649_088_000); // 2022-04-05 00:00:00 in Shanghai
        let whole = |from, to, step| {
            let TimeRange { from, to } =
                whole_buckets(TimeRange { from: midnight + from, to: midnight + to }, step, offset);
            (from - midnight, to - midnight)
        };
        assert_eq!(whole(1, 2, Step::Minute), (0, 60));
        assert_eq!(whole(0, 60, Step::Minute), (0, 60));
        assert_eq!(whole(59, 61, Step::Minute), (0, 120));
        assert_eq!(whole(3_599, 3_601, Step::Hour), (0, 7_200));
        assert_eq!(whole(1, 86_400, Step::Day), (0, 86_400));
        let end = whole_buckets(TimeRange { from: 0, to: u32::MAX }, Step::Day, offset);
        assert_eq!((end.from, end.to), (0, u32::MAX));
    }
}
