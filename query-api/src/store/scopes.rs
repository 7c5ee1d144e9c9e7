//! The counts of the city, of all districts and of all categories by hour or minute, from which one knows what has changed.

use std::collections::{BTreeMap, HashMap};

use clickhouse::Row;
use serde::Deserialize;

use super::{BucketRow, Kind, Scope, Store};
use crate::QueryError;

const BY_HOUR: &str = include_str!("../sql/counts_of_scopes.sql");

/// Counts by scope and start, in seconds since 1970; nobody is counted as a person.
pub type Counts = HashMap<Scope, BTreeMap<u32, BucketRow>>;

#[derive(Row, Deserialize)]
struct StepRow {
    left_out: u8,
    district: u32,
    category: String,
    start: u32,
    scans: u64,
    green: u64,
    yellow: u64,
    red: u64,
    sentinel_health_code: u64,
    sentinel_id_card: u64,
    reverse_scan: u64,
    manual: u64,
    refused: u64,
    exits: u64,
}

impl StepRow {
    /// What was not left out of district and category, in this order.
    fn scope(&self) -> Scope {
        match self.left_out {
            0b01 => Scope::District(self.district),
            0b10 => Scope::Category(self.category.clone()),
            _ => Scope::City,
        }
    }

    fn counts(self) -> BucketRow {
        let Self { start, scans, green, yellow, red, refused, exits, .. } = self;
        let Self { sentinel_health_code, sentinel_id_card, reverse_scan, manual, .. } = self;
        BucketRow {
            start: start.into(),
            scans,
            persons: 0,
            green,
            yellow,
            red,
            sentinel_health_code,
            sentinel_id_card,
            reverse_scan,
            manual,
            refused,
            exits,
        }
    }
}

impl Store {
    /// The counts of each hour.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn counts_by_hour(&self) -> Result<Counts, QueryError> {
        self.counts_of_scopes(BY_HOUR, "places_by_hour", 0).await
    }

    /// The counts of each minute since a whole hour.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn counts_by_minute(&self, since: u32) -> Result<Counts, QueryError> {
        self.counts_of_scopes(&BY_HOUR.replace("toStartOfHour", "toStartOfMinute"), "places_by_minute", since).await
    }

    async fn counts_of_scopes(&self, sql: &str, projection: &'static str, since: u32) -> Result<Counts, QueryError> {
        let query = || self.query(sql).param("since", since);
        let rows: Vec<StepRow> = self.rows_kept(Kind::Scopes, Kind::ScopesCounted, projection, query).await?;
        let mut counts = Counts::new();
        for row in rows {
            counts.entry(row.scope()).or_default().insert(row.start, row.counts());
        }
        Ok(counts)
    }
}
