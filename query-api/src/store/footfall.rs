//! Counts of scans and people over time.

use clickhouse::{Row, RowOwned, RowRead, query::Query};
use serde::Deserialize;

use super::{Kind, Scope, Store, StoreFailure, TimeRange};
use crate::{QueryError, buckets::Step};

/// Counts from the scans themselves.
const FROM_SCANS: &str = include_str!("../sql/footfall.sql");
/// Counts from the counts by minute.
const FROM_COUNTS: &str = include_str!("../sql/footfall_kept.sql");
const PEOPLE_BY_DAY: &str = include_str!("../sql/people_by_day.sql");
/// The clock by which people are kept by day: that of China, which has one time zone.
const CHINA_OFFSET_S: i64 = 8 * 3_600;
/// ClickHouse's number for "the projection that was insisted on is of no use": all parts were made before it was
/// there, or nothing is stored in this time.
const PROJECTION_NOT_USED: u32 = 584;

/// Whether a time is whole days by the clock of China, and the city goes by that.
pub(super) fn is_of_china_days(time: TimeRange, offset_s: i64) -> bool {
    let is_midnight = |at: u32| (i64::from(at) + CHINA_OFFSET_S) % Step::Day.seconds() == 0;
    offset_s == CHINA_OFFSET_S && is_midnight(time.from) && is_midnight(time.to)
}

/// The day that a time is in, in days since 1970 by the clock of China.
pub(super) fn china_day(at: u32) -> i64 {
    (i64::from(at) + CHINA_OFFSET_S) / Step::Day.seconds()
}

/// How distinct people are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum People {
    /// Each one, which takes every scan to be read.
    Exact,
    /// From the sketches of days, off by 0.6 % (one standard deviation), where there are any; else each one.
    Estimate,
    /// Not at all.
    No,
}

/// What is counted, and how.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FootfallQuestion {
    /// Which scans.
    pub scope: Scope,
    /// When.
    pub time: TimeRange,
    /// Length of a bucket.
    pub step: Step,
    /// How far the city's clock is ahead of UTC, in seconds.
    pub offset_s: i64,
    /// Whether distinct people are counted too.
    pub people: People,
}

/// Which kept counts answer a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    CityByMinute,
    PlacesByMinute,
    PlacesByHour,
}

impl Kept {
    const fn projection(self) -> &'static str {
        match self {
            Self::CityByMinute => "city_by_minute",
            Self::PlacesByMinute => "places_by_minute",
            Self::PlacesByHour => "places_by_hour",
        }
    }
}

impl FootfallQuestion {
    /// Whether people are told from sketches.
    pub fn is_of_sketches(&self) -> bool {
        self.sketches().is_some()
    }

    /// The sketches that tell the people: these are by day and by the clock of China, of the city and of districts.
    fn sketches(&self) -> Option<&'static str> {
        let of_scope = match self.scope {
            Scope::City => "people_of_city_by_day",
            Scope::District(_) => "people_of_districts_by_day",
            Scope::Category(_) | Scope::Organisation(_) | Scope::Venue(_) => return None,
        };
        let is_kept = self.step == Step::Day && is_of_china_days(self.time, self.offset_s);
        (self.people == People::Estimate && is_kept).then_some(of_scope)
    }

    /// Whether nothing is asked for that is shorter than so many seconds.
    pub fn is_of_whole(&self, seconds: i64) -> bool {
        let times: [i64; 2] = [self.time.from.into(), self.time.to.into()];
        self.step.seconds() % seconds == 0 && times.iter().all(|at| (at + self.offset_s) % seconds == 0)
    }

    /// The kept counts that answer it: they know neither people nor venues, and nothing shorter than a minute. Hours are
    /// those of UTC, so the city's clock must be whole hours ahead.
    fn kept(&self) -> Option<Kept> {
        let has_no_people = self.people == People::No || self.is_of_sketches();
        if self.scope.is_of_venues() || !has_no_people || !self.is_of_whole(60) {
            return None;
        }
        Some(match self.scope {
            Scope::City => Kept::CityByMinute,
            _ if self.is_of_whole(3_600) && self.offset_s % 3_600 == 0 => Kept::PlacesByHour,
            _ => Kept::PlacesByMinute,
        })
    }
}

/// The counts of one bucket. Of colours and methods one each is not named: what the others leave of the scans.
#[derive(Debug, Clone, Default, PartialEq, Eq, Row, Deserialize)]
pub struct BucketRow {
    /// Start in seconds since 1970.
    pub start: i64,
    /// Scans.
    pub scans: u64,
    /// Distinct people; 0 when they are not counted.
    pub persons: u64,
    /// Scans with a green code.
    pub green: u64,
    /// Scans with a yellow code.
    pub yellow: u64,
    /// Scans with a red code.
    pub red: u64,
    /// Health codes read by a sentinel.
    pub sentinel_health_code: u64,
    /// Identity cards read by a sentinel.
    pub sentinel_id_card: u64,
    /// Paper codes scanned by staff.
    pub reverse_scan: u64,
    /// Entries by hand.
    pub manual: u64,
    /// Scans whose person was refused.
    pub refused: u64,
    /// Scans on the way out.
    pub exits: u64,
}

impl BucketRow {
    /// Adds the counts of other scans; people are not added up.
    pub fn add(&mut self, other: &Self) {
        add_counts!(self, other);
    }
}

#[derive(Row, Deserialize)]
struct PeopleRow {
    start: i64,
    persons: u64,
}

impl Store {
    /// The buckets that have scans, in order. Who asks the same at nearly the same time gets the same answer.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn footfall(&self, question: &FootfallQuestion) -> Result<std::sync::Arc<Vec<BucketRow>>, QueryError> {
        self.recent.get(question.clone(), async || self.ask_footfall(question).await).await
    }

    /// The same, asked anew.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn ask_footfall(&self, question: &FootfallQuestion) -> Result<Vec<BucketRow>, QueryError> {
        let Some(kept) = question.kept() else {
            return self.rows(Kind::Footfall, Self::over(question, self.count_scans(question))).await;
        };
        let sql = match kept {
            Kept::PlacesByHour => FROM_COUNTS.replace("toStartOfMinute", "toStartOfHour"),
            Kept::CityByMinute | Kept::PlacesByMinute => FROM_COUNTS.to_owned(),
        };
        let count = || Self::over(question, self.query_within(&sql, &question.scope));
        let mut rows = self.rows_kept(Kind::FootfallKept, Kind::Footfall, kept.projection(), count).await?;
        if let Some(sketches) = question.sketches() {
            self.add_people(question, sketches, &mut rows).await?;
        }
        Ok(rows)
    }

    fn count_scans(&self, question: &FootfallQuestion) -> Query {
        let sql = match question.people {
            People::No => &FROM_SCANS.replace("uniqExact(person_id)", "toUInt64(0)"),
            People::Exact | People::Estimate => FROM_SCANS,
        };
        self.query_within(sql, &question.scope)
    }

    fn over(question: &FootfallQuestion, query: Query) -> Query {
        query
            .param("since", question.time.from)
            .param("until", question.time.to)
            .param("step", question.step.seconds())
            .param("offset", question.offset_s)
    }

    async fn add_people(
        &self,
        question: &FootfallQuestion,
        projection: &'static str,
        buckets: &mut [BucketRow],
    ) -> Result<(), QueryError> {
        let (first, last) = (china_day(question.time.from), china_day(question.time.to - 1));
        let count = || self.query_within(PEOPLE_BY_DAY, &question.scope).param("first", first).param("last", last);
        let people: Vec<PeopleRow> = self.rows_kept(Kind::PeopleByDay, Kind::Footfall, projection, count).await?;
        for bucket in buckets {
            let of_day = people.binary_search_by_key(&bucket.start, |row| row.start);
            // A scan that came between the two queries counts from the next one on.
            bucket.persons = of_day.map_or(0, |index| people[index].persons);
        }
        Ok(())
    }

    /// What a query answers from a projection, or, where that is of no use, from the rows, under another kind.
    pub(super) async fn rows_kept<T: RowOwned + RowRead>(
        &self,
        kept: Kind,
        counted: Kind,
        projection: &'static str,
        query: impl Fn() -> Query,
    ) -> Result<Vec<T>, QueryError> {
        match self.rows_of_projection(kept, projection, query()).await? {
            Some(rows) => Ok(rows),
            None => self.rows(counted, query()).await,
        }
    }

    /// What a query answers from a projection; none where that is of no use.
    pub(super) async fn rows_of_projection<T: RowOwned + RowRead>(
        &self,
        kind: Kind,
        projection: &'static str,
        query: Query,
    ) -> Result<Option<Vec<T>>, QueryError> {
        // Without insisting, a count that is not kept would be made from the scans, right but slow, and nobody would know.
        let insisting = query
            .with_setting("force_optimize_projection", "1")
            .with_setting("preferred_optimize_projection_name", projection);
        match self.rows(kind, insisting).await {
            Err(error) if is_of_no_use(&error) => Ok(None),
            answer => answer.map(Some),
        }
    }
}

/// Whether an answer failed for nothing but that the projection which was insisted on is of no use.
pub(super) const fn is_of_no_use(error: &QueryError) -> bool {
    matches!(error, QueryError::Internal(StoreFailure::Exception { code: PROJECTION_NOT_USED }))
}
