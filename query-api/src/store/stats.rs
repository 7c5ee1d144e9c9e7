//! How much is stored.

use clickhouse::Row;
use serde::Deserialize;

use super::{Kind, Store};
use crate::QueryError;

/// Totals over everything that is stored.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct StatsRow {
    /// Scans.
    pub scans: u64,
    /// First scan; 0 when there is none.
    pub first_scan: u32,
    /// Last scan; 0 when there is none.
    pub last_scan: u32,
    /// Distinct people scanned.
    pub persons: u64,
    /// Distinct venues scanned at.
    pub venues_scanned: u64,
    /// Venues in the directory.
    pub venues: u64,
}

impl Store {
    /// Totals over everything that is stored.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn stats(&self) -> Result<StatsRow, QueryError> {
        self.row(Kind::Stats, self.query(include_str!("../sql/stats.sql"))).await
    }
}
