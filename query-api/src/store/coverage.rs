//! How complete the stored scans look.

use std::collections::HashMap;

use clickhouse::Row;
use schemas::VenueId;
use serde::Deserialize;

use super::{Kind, Store, TimeRange, venues::MAX_VENUES};
use crate::QueryError;

/// What a venue's own scans say of how complete they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Row, Deserialize)]
pub struct VenueDaysRow {
    /// The venue.
    pub venue_id: VenueId,
    /// Days of the city with a scan.
    pub days: u64,
    /// Entries.
    pub entries: u64,
    /// Exits.
    pub exits: u64,
}

#[derive(Row, Deserialize)]
struct CodeRow {
    venue_id: VenueId,
    since_ms: i64,
}

#[derive(Row, Deserialize)]
struct NewestRow {
    newest: u32,
}

impl Store {
    /// What the scans of these venues in a time say of themselves. A venue without any is not in it.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn venue_days(
        &self,
        venues: &[VenueId],
        time: TimeRange,
        utc_offset_s: i32,
    ) -> Result<HashMap<VenueId, VenueDaysRow>, QueryError> {
        let mut days = HashMap::new();
        for venues in venues.chunks(MAX_VENUES) {
            let query = self
                .query(include_str!("../sql/venue_days.sql"))
                .param("venues", venues)
                .param("since", time.from)
                .param("until", time.to)
                .param("offset", utc_offset_s);
            let rows: Vec<VenueDaysRow> = self.rows(Kind::VenueDays, query).await?;
            days.extend(rows.into_iter().map(|row| (row.venue_id, row)));
        }
        Ok(days)
    }

    /// When the registry gave these venues their first code, in milliseconds since 1970. A venue that came otherwise is not
    /// in it.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn codes_since_ms(&self, venues: &[VenueId]) -> Result<HashMap<VenueId, i64>, QueryError> {
        let mut since = HashMap::new();
        for venues in venues.chunks(MAX_VENUES) {
            let query = self.query(include_str!("../sql/venue_codes.sql")).param("venues", venues);
            let rows: Vec<CodeRow> = self.rows(Kind::VenueCodes, query).await?;
            since.extend(rows.into_iter().map(|row| (row.venue_id, row.since_ms)));
        }
        Ok(since)
    }

    /// The time of the newest scan that is stored; none when none is.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn newest_scan(&self) -> Result<Option<u32>, QueryError> {
        let row: NewestRow = self.row(Kind::NewestScan, self.query(include_str!("../sql/newest_scan.sql"))).await?;
        Ok(Some(row.newest).filter(|newest| *newest > 0))
    }
}
