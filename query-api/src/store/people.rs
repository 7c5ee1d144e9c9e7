//! Where a person was, and who was at a venue.

use clickhouse::Row;
use schemas::{Colour, Direction, Method, PersonKey, VenueId, Verdict};
use serde::Deserialize;

use super::{Kind, Store, TimeRange, columns};
use crate::{
    QueryError,
    exposure::{Passage, without_repeats},
};

/// A scan of a known person.
#[derive(Debug, Clone, Row, Deserialize)]
pub struct VisitRow {
    /// Where.
    pub venue_id: VenueId,
    /// When.
    pub scanned_at: u32,
    /// How.
    #[serde(deserialize_with = "columns::method")]
    pub method: Method,
    /// In or out.
    #[serde(deserialize_with = "columns::direction")]
    pub direction: Direction,
    /// What the person was told.
    #[serde(deserialize_with = "columns::verdict")]
    pub verdict: Verdict,
    /// Colour in force at the scan.
    #[serde(deserialize_with = "columns::colour")]
    pub colour: Colour,
}

/// A scan at a known venue.
#[derive(Debug, Clone, Row, Deserialize)]
pub struct VisitorRow {
    /// Who.
    #[serde(deserialize_with = "columns::person")]
    pub person_id: PersonKey,
    /// When.
    pub scanned_at: u32,
    /// How.
    #[serde(deserialize_with = "columns::method")]
    pub method: Method,
    /// In or out.
    #[serde(deserialize_with = "columns::direction")]
    pub direction: Direction,
    /// What the person was told.
    #[serde(deserialize_with = "columns::verdict")]
    pub verdict: Verdict,
    /// Colour in force at the scan.
    #[serde(deserialize_with = "columns::colour")]
    pub colour: Colour,
}

impl Store {
    /// The visits of a person in a time, oldest first, and whether there are more than those of the first `limit` scans. A
    /// scan by another method at the same point within `either_or_s` seconds is the same visit (S3).
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn visits(
        &self,
        person: PersonKey,
        time: TimeRange,
        limit: usize,
        either_or_s: u32,
    ) -> Result<(Vec<VisitRow>, bool), QueryError> {
        let query = self
            .query(include_str!("../sql/visits.sql"))
            .param("person", person.to_u64())
            .param("lead", time.from.saturating_sub(either_or_s))
            .param("since", time.from)
            .param("until", time.to)
            .param("limit", limit + 1);
        let rows: Vec<VisitRow> = self.rows(Kind::Visits, query).await?;
        let before = rows.partition_point(|row| row.scanned_at < time.from);
        let (rows, more) = cut(rows, before + limit);
        let mut visits = without_repeats(rows, either_or_s, |row| {
            let VisitRow { venue_id: venue, scanned_at: at, method, direction, .. } = *row;
            Passage { person, venue, direction, at, method }
        });
        visits.retain(|row| row.scanned_at >= time.from);
        Ok((visits, more))
    }

    /// The first `limit` scans at a venue in a time, oldest first, and whether there are more.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn visitors(
        &self,
        venue: VenueId,
        time: TimeRange,
        limit: usize,
    ) -> Result<(Vec<VisitorRow>, bool), QueryError> {
        let query = self
            .query(include_str!("../sql/visitors.sql"))
            .param("venue", venue)
            .param("since", time.from)
            .param("until", time.to)
            .param("limit", limit + 1);
        Ok(cut(self.rows(Kind::Visitors, query).await?, limit))
    }
}

pub(super) fn cut<T>(mut rows: Vec<T>, limit: usize) -> (Vec<T>, bool) {
    let more = rows.len() > limit;
    rows.truncate(limit);
    (rows, more)
}
