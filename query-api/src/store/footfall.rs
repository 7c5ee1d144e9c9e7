//! Counts of scans and people over time.

use clickhouse::Row;
use schemas::VenueId;
use serde::Deserialize;

use super::{Kind, Store, TimeRange};
use crate::{QueryError, buckets::Step};

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

/// The counts of one bucket.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct BucketRow {
    /// Start in seconds since 1970.
    pub start: i64,
    /// Scans.
    pub scans: u64,
    /// Distinct people.
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
    pub async fn footfall(
        &self,
        scope: &Scope,
        time: TimeRange,
        step: Step,
        offset_s: i64,
    ) -> Result<Vec<BucketRow>, QueryError> {
        let query = match scope {
            Scope::Venue(venue) => self.query(include_str!("../sql/footfall_venue.sql")).param("venue", venue),
            Scope::District(district) => {
                self.query(include_str!("../sql/footfall_district.sql")).param("district", district)
            }
            Scope::Category(category) => {
                self.query(include_str!("../sql/footfall_category.sql")).param("category", category)
            }
            Scope::City => self.query(include_str!("../sql/footfall_city.sql")),
        };
        let query = query
            .param("since", time.from)
            .param("until", time.to)
            .param("step", step.seconds())
            .param("offset", offset_s);
        self.rows(Kind::Footfall, query).await
    }
}
