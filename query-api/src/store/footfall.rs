//! Counts of scans and people over time.

use clickhouse::{Row, query::Query};
use schemas::VenueId;
use serde::Deserialize;

use super::{Kind, Store, StoreFailure, TimeRange};
use crate::{QueryError, buckets::Step};

/// Counts from the scans themselves; `TRUE` stands where the scope's condition goes.
const FROM_SCANS: &str = include_str!("../sql/footfall.sql");
/// Counts from the counts by hour; `TRUE` stands where the scope's condition goes.
const FROM_HOURS: &str = include_str!("../sql/footfall_by_hour.sql");
const SCOPE: &str = "WHERE TRUE";
const HOUR_S: i64 = 3_600;
/// ClickHouse's number for "the projection that was insisted on is of no use": all parts were made before it was
/// there, or nothing is stored in this time.
const PROJECTION_NOT_USED: u32 = 584;

/// Which scans are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Those at one venue.
    Venue(VenueId),
    /// Those in a district, by its six-digit code.
    District(u32),
    /// Those at venues of a category, by its id.
    Category(String),
    /// All.
    City,
}

/// What is counted, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FootfallQuestion {
    /// Which scans.
    pub scope: Scope,
    /// When.
    pub time: TimeRange,
    /// Length of a bucket.
    pub step: Step,
    /// How far the city's clock is ahead of UTC, in seconds.
    pub offset_s: i64,
    /// Whether distinct people are counted too, which takes every scan to be read.
    pub people: bool,
}

impl FootfallQuestion {
    /// Whether the counts by hour answer it: they know neither people nor venues, and nothing shorter than an hour.
    fn is_of_whole_hours(&self) -> bool {
        let times = [self.time.from.into(), self.time.to.into(), self.offset_s, self.step.seconds()];
        !self.people && !matches!(self.scope, Scope::Venue(_)) && times.iter().all(|s| s % HOUR_S == 0)
    }
}

/// The counts of one bucket.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
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
    /// Scans without a valid code.
    pub unknown: u64,
}

impl Store {
    /// The buckets that have scans, in order.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn footfall(&self, question: &FootfallQuestion) -> Result<Vec<BucketRow>, QueryError> {
        if !question.is_of_whole_hours() {
            return self.rows(Kind::Footfall, self.count(FROM_SCANS, question)).await;
        }
        // Without insisting, a count that is not kept would be made from the scans, right but slow, and nobody would know.
        let insisting = self.count(FROM_HOURS, question).with_setting("force_optimize_projection", "1");
        match self.rows(Kind::FootfallByHour, insisting).await {
            Err(QueryError::Internal(StoreFailure::Exception { code: PROJECTION_NOT_USED })) => {
                self.rows(Kind::Footfall, self.count(FROM_HOURS, question)).await
            }
            answer => answer,
        }
    }

    fn count(&self, sql: &str, question: &FootfallQuestion) -> Query {
        let within = |condition: &str| self.query(&sql.replace(SCOPE, &format!("WHERE {condition}")));
        let query = match &question.scope {
            Scope::Venue(venue) => within("venue_id = {venue:UInt32}").param("venue", venue),
            Scope::District(district) => within("district = {district:UInt32}").param("district", district),
            Scope::Category(category) => within("category = {category:String}").param("category", category),
            Scope::City => within("TRUE"),
        };
        query
            .param("since", question.time.from)
            .param("until", question.time.to)
            .param("step", question.step.seconds())
            .param("offset", question.offset_s)
    }
}
