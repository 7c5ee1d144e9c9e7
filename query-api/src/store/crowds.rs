//! Where most people are: top venues, and who is inside.

use std::collections::HashMap;

use clickhouse::Row;
use schemas::VenueId;
use serde::Deserialize;

use super::{
    Kind, Scope, Store, TimeRange,
    footfall::{china_day, is_of_china_days},
};
use crate::QueryError;

/// Which venues are asked for, and how many.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TopQuestion {
    /// Among which.
    pub scope: Scope,
    /// When.
    pub time: TimeRange,
    /// How far the city's clock is ahead of UTC, in seconds.
    pub offset_s: i64,
    /// Whether those with most people are meant, rather than those with most scans.
    pub by_people: bool,
    /// Fewer scans are none; and venues with as many whole multiples of it are as good as each other.
    pub smallest: u64,
    /// How many.
    pub limit: u64,
    /// How many at the top are left out.
    pub skipped: u64,
}

/// A venue, its scans and its people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopCount {
    /// Number.
    pub venue: VenueId,
    /// Scans.
    pub scans: u64,
    /// Distinct people.
    pub persons: u64,
}

#[derive(Row, Deserialize)]
struct TopRow {
    venue_id: VenueId,
    scans: u64,
}

/// How many are inside a venue.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct OccupancyRow {
    /// Number.
    pub venue_id: VenueId,
    /// People whose last passage was an entry.
    pub inside: u64,
    /// Whether anybody was scanned on the way out within a week.
    pub exits_scanned: bool,
}

#[derive(Row, Deserialize)]
struct PeopleRow {
    venue_id: VenueId,
    persons: u64,
}

impl Store {
    /// The venues with most scans or people, most first.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn top(&self, question: &TopQuestion) -> Result<Vec<TopCount>, QueryError> {
        let rows = self.top_venues(question).await?;
        let people =
            self.people_of_venues(&rows.iter().map(|row| row.venue_id).collect::<Vec<_>>(), question.time).await?;
        let persons = |venue| people.get(&venue).copied().unwrap_or_default();
        let count = |TopRow { venue_id: venue, scans }| TopCount { venue, scans, persons: persons(venue) };
        Ok(rows.into_iter().map(count).collect())
    }

    async fn top_venues(&self, question: &TopQuestion) -> Result<Vec<TopRow>, QueryError> {
        let TopQuestion { scope, time, offset_s, by_people, smallest, limit, skipped } = question;
        let query_of = |sql: &str| {
            let query = self.query_within(sql, scope).param("smallest", smallest);
            query.param("limit", limit).param("skipped", skipped)
        };
        if !*by_people && !scope.is_of_venues() && is_of_china_days(*time, *offset_s) {
            let sql = include_str!("../sql/top_venues_kept.sql");
            let (first, last) = (china_day(time.from), china_day(time.to - 1));
            let query = || query_of(sql).param("first", first).param("last", last);
            return self.rows_kept(Kind::TopVenuesKept, Kind::TopVenues, "venues_by_day", query).await;
        }
        let query = query_of(include_str!("../sql/top_venues.sql")).param("by_people", by_people);
        let query = query.param("since", time.from).param("until", time.to);
        self.rows(Kind::TopVenues, query).await
    }

    /// How many distinct people were at each of these venues, at most a few thousand.
    async fn people_of_venues(&self, venues: &[VenueId], time: TimeRange) -> Result<HashMap<VenueId, u64>, QueryError> {
        let query = self.query(include_str!("../sql/people_of_venues.sql")).param("venues", venues);
        let query = query.param("since", time.from).param("until", time.to);
        let rows: Vec<PeopleRow> = self.rows(Kind::PeopleOfVenues, query).await?;
        Ok(rows.into_iter().map(|row| (row.venue_id, row.persons)).collect())
    }

    /// Who is inside the venues of a scope, from midnight to before `until`; a venue without scans for a week is not
    /// listed. Exits are looked for from `week` on.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn occupancy(
        &self,
        scope: &Scope,
        week: u32,
        midnight: u32,
        until: u32,
    ) -> Result<Vec<OccupancyRow>, QueryError> {
        let query = self.query_within(include_str!("../sql/occupancy.sql"), scope);
        let query = query.param("week", week).param("midnight", midnight).param("until", until);
        self.rows(Kind::Occupancy, query).await
    }
}
