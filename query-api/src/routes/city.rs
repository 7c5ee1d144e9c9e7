//! `GET /v1/city/days`: the headline figures of a city (S3: organisations, codes, new codes, scans of the day, cumulative).

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::Serialize;
use service::Caller;
use utoipa::ToSchema;

use super::footfall::{suppression_for, until_running, whole_buckets};
use crate::{
    AppState, QueryError, answer,
    buckets::Step,
    input::Fields,
    refusals::Refusals,
    store::{BucketRow, CodesOfDayRow, FootfallQuestion, People, Scope, TimeRange},
    suppression::Suppression,
};

/// Most days between `from` and `to`.
const MAX_DAYS: u64 = 366;
/// Before any scan, and late enough to be a midnight after 1970 by any clock.
const BEGINNING: i64 = 2 * 86_400;

/// The headline figures of a city.
#[derive(Debug, Serialize, ToSchema)]
pub struct CityDaysResponse {
    /// Short name of the city.
    city: String,
    /// For dashboards: fewer scans are not shown, and others are rounded down to whole multiples of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    smallest_group: Option<u64>,
    /// Organisations that have a code now.
    organisations: u64,
    /// Codes in use now.
    codes: u64,
    /// Every day of the time that was asked for, in order.
    days: Vec<CityDay>,
}

/// The figures of one day.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
struct CityDay {
    /// Midnight of the city.
    start: DateTime<Utc>,
    /// Scans of the day; null when they are those of a small group.
    scans: Option<u64>,
    /// Scans up to the end of the day, as far as they are kept; null when they are those of a small group.
    scans_kept: Option<u64>,
    /// Codes issued for the first time on the day, as the registry decided.
    new_codes: u64,
    /// Codes revoked on the day.
    revoked_codes: u64,
    /// Codes in use at the end of the day, as follows from those in use now.
    codes: u64,
}

/// The headline figures of each day of the city
///
/// Venues that were loaded without an application count as codes of every day.
#[utoipa::path(get, path = "/v1/city/days", tag = "footfall",
    params(
        ("from" = String, Query, format = DateTime, description = "A time on the first day"),
        ("to" = String, Query, format = DateTime, description = "The end of the last day, or a time on it; at most 366 days"),
    ),
    responses(
        (status = 200, description = "The figures", body = CityDaysResponse),
        Refusals,
    ))]
pub async fn days(
    State(state): State<AppState>,
    caller: Caller,
    mut fields: Fields,
) -> Result<Json<CityDaysResponse>, QueryError> {
    let (step, offset_s) = (Step::Day, state.offset_s());
    let asked = fields.time_range()?;
    fields.finish()?;
    let buckets = step.count(asked.from.into(), asked.to.into(), offset_s);
    if buckets > MAX_DAYS {
        return Err(QueryError::TooManyBuckets { buckets, limit: MAX_DAYS });
    }
    let time = whole_buckets(asked, step, offset_s);
    let beginning = u32::try_from(step.start_of(BEGINNING, offset_s)).unwrap_or_default().min(time.from);
    let suppression = suppression_for(caller.role(), &state);
    let mut all = TimeRange { from: beginning, to: time.to };
    if !suppression.is_none() {
        all = until_running(all, Utc::now().timestamp(), offset_s);
    }
    let question = FootfallQuestion { scope: Scope::City, time: all, step, offset_s, people: People::No };
    let (scans, codes, changes) = tokio::try_join!(
        state.board().footfall(&question),
        state.store().codes(),
        state.store().codes_by_day(time.from, offset_s),
    )?;
    Ok(Json(CityDaysResponse {
        city: state.city().city.clone(),
        smallest_group: suppression.smallest(),
        organisations: codes.organisations,
        codes: codes.codes,
        days: figures(time, &scans, codes.codes, &changes, suppression),
    }))
}

/// Every day of a time, from the scans of all days up to its end, and what changed since its beginning.
fn figures(
    time: TimeRange,
    scans: &[BucketRow],
    codes_now: u64,
    changes: &[CodesOfDayRow],
    suppression: Suppression,
) -> Vec<CityDay> {
    let starts = (i64::from(time.from)..i64::from(time.to)).step_by(86_400);
    let day = |start: i64| {
        let of_day = scans.iter().find(|row| row.start == start).map_or(0, |row| row.scans);
        let kept: u64 = scans.iter().filter(|row| row.start <= start).map(|row| row.scans).sum();
        let sum = |is_counted: &dyn Fn(i64) -> bool| {
            let counted = changes.iter().filter(|row| is_counted(row.start));
            counted.fold((0, 0), |(issued, revoked), row| (issued + row.issued, revoked + row.revoked))
        };
        let ((new_codes, revoked_codes), (issued_later, revoked_later)) =
            (sum(&|at| at == start), sum(&|at| at > start));
        CityDay {
            start: answer::time(start),
            scans: suppression.of(of_day),
            scans_kept: suppression.of(kept),
            new_codes,
            revoked_codes,
            codes: (codes_now + revoked_later).saturating_sub(issued_later),
        }
    };
    starts.map(day).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_day_has_its_scans_and_what_was_there_at_its_end() {
        const DAY: i64 = 86_400;
        let scans = |day, scans| BucketRow { start: day * DAY, scans, ..BucketRow::default() };
        let change = |day, issued, revoked| CodesOfDayRow { start: day * DAY, issued, revoked };
        let time = TimeRange { from: 10 * DAY as u32, to: 13 * DAY as u32 };
        let scans = [scans(3, 100), scans(10, 20), scans(12, 5)];
        let changes = [change(10, 4, 0), change(11, 3, 1), change(14, 2, 1)];
        let days = |suppression| figures(time, &scans, 50, &changes, suppression);
        let figures: Vec<_> = days(Suppression::NONE)
            .into_iter()
            .map(|day| (day.scans, day.scans_kept, day.new_codes, day.revoked_codes, day.codes))
            .collect();
        assert_eq!(
            figures,
            [(Some(20), Some(120), 4, 0, 47), (Some(0), Some(120), 3, 1, 49), (Some(5), Some(125), 0, 0, 49),]
        );
        let hidden: Vec<_> = days(Suppression::below(10)).into_iter().map(|day| (day.scans, day.scans_kept)).collect();
        assert_eq!(hidden, [(Some(20), Some(120)), (None, Some(120)), (None, Some(120))]);
    }
}
