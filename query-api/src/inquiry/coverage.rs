//! What the scans can tell, and what they cannot.

use chrono::{DateTime, Utc};
use schemas::{CityProfile, Retention, VenueId, city::Bilingual};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Question, Visited};
use crate::{
    AppState, QueryError, answer,
    store::{TimeRange, VenueDaysRow},
};

const DAY_S: i64 = 24 * 3600;

/// How much of what happened the scans can tell.
#[derive(Debug, Serialize, ToSchema)]
pub struct Coverage {
    /// Days that the city keeps scans.
    retention_days: u16,
    /// Scans of before are gone, or about to be: the midnight of the city with which what is kept begins.
    kept_from: DateTime<Utc>,
    /// Whether all of the time asked for is kept.
    within_retention: bool,
    /// When the newest stored scan was made, if `coverage` was asked for: what came after may not be stored yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    newest_scan: Option<DateTime<Utc>>,
    /// Each of the ranked venues, if `coverage` was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    venues: Option<Vec<VenueCoverage>>,
    /// What nobody can tell from these scans.
    not_known: Vec<NotKnown>,
}

/// How complete the scans of a venue look.
#[derive(Debug, Serialize, ToSchema)]
struct VenueCoverage {
    /// Number of the venue.
    venue: VenueId,
    /// Days of the city that the time asked for touches.
    days: u64,
    /// On how many of them anybody was scanned there.
    days_with_scans: u64,
    /// Entries in the time asked for.
    entries: u64,
    /// Exits in the time asked for. Where there are few to the entries, most stays have an assumed end.
    exits: u64,
    /// When the registry gave the venue its first code; null for one that the city loaded, of which nobody knows.
    code_since: Option<DateTime<Utc>>,
}

/// Something that the scans do not tell.
#[derive(Debug, Serialize, ToSchema)]
struct NotKnown {
    /// What.
    what: &'static str,
    /// In words.
    text: Bilingual,
}

const NOT_KNOWN: [(&str, &str, &str); 5] = [
    ("unscanned", "未扫码进入者不在记录之中", "who went in without a scan is in no record"),
    (
        "assumed_ends",
        "没有离场扫码时，停留时间按规则推定",
        "without an exit scan the end of a stay is assumed, by the rule that each names",
    ),
    (
        "not_stored_yet",
        "网关或消息队列中尚未入库的扫码不在其中；查询服务无从得知其数量，见处理服务的指标",
        "scans that wait at a gateway or in Kafka are not in it; how many, the processor's metrics tell and this service cannot",
    ),
    (
        "dead_letters",
        "无法处理而待人工处置的扫码不在其中；见 venuecode dead-letters list",
        "scans that could not be processed are not in it; `venuecode dead-letters list --pending` has them",
    ),
    (
        "longer_chains",
        "每人只保留最近一跳的暴露时间；经更多人但更早的传播链，以及由其再传及的人，可能缺失",
        "of each person only the exposure of the nearest hop is kept: a chain over more people that reached somebody \
         earlier, or from another case, and those whom it leads on to, may be missing",
    ),
];

/// The statement for a question, as of `now`.
///
/// # Errors
/// When ClickHouse does not answer.
pub(super) async fn of(
    state: &AppState,
    question: &Question,
    venues: &[Visited],
    now: DateTime<Utc>,
) -> Result<Coverage, QueryError> {
    let city = state.city();
    let kept_from = Retention::of(city).horizon(now.timestamp());
    let not_known =
        NOT_KNOWN.map(|(what, zh, en)| NotKnown { what, text: Bilingual { zh: zh.to_owned(), en: en.to_owned() } });
    let mut coverage = Coverage {
        retention_days: city.retention_days,
        kept_from: answer::time(kept_from),
        within_retention: i64::from(question.time.from) >= kept_from,
        newest_scan: None,
        venues: None,
        not_known: not_known.into(),
    };
    if question.with_venue_coverage {
        let venues: Vec<VenueId> =
            venues.iter().map(|visited| visited.venue).take(state.limits().max_trace_venues as usize).collect();
        let store = state.store();
        let (days, codes, newest) = tokio::try_join!(
            store.venue_days(&venues, question.time, city.utc_offset_minutes * 60),
            store.codes_since_ms(&venues),
            store.newest_scan(),
        )?;
        coverage.newest_scan = newest.map(answer::time);
        let all_days = days_touched(city, question.time);
        let of_venue = |venue: VenueId| {
            let VenueDaysRow { days: days_with_scans, entries, exits, .. } =
                days.get(&venue).copied().unwrap_or_default();
            let code_since = codes.get(&venue).copied().map(answer::time_of_ms);
            VenueCoverage { venue, days: all_days, days_with_scans, entries, exits, code_since }
        };
        coverage.venues = Some(venues.into_iter().map(of_venue).collect());
    }
    Ok(coverage)
}

/// Days of the city of which at least one second lies in a time.
fn days_touched(city: &CityProfile, time: TimeRange) -> u64 {
    let day = |at: i64| (at + i64::from(city.utc_offset_minutes) * 60).div_euclid(DAY_S);
    (day(i64::from(time.to) - 1) - day(time.from.into()) + 1).unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_at_the_citys_midnight() {
        const MIDNIGHT: u32 = 1_653_235_200; // in Shanghai
        let city = CityProfile::try_built_in("shanghai").expect("a profile");
        let days = |from, to| days_touched(&city, TimeRange { from: MIDNIGHT + from, to: MIDNIGHT + to });
        assert_eq!([days(0, 1), days(0, 86_400), days(0, 86_401), days(86_399, 86_401)], [1, 1, 2, 2]);
    }
}
