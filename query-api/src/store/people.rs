//! Where a person was, and who was at a venue.

use clickhouse::Row;
use schemas::{Colour, Direction, Method, PersonKey, VenueId, Verdict};
use serde::Deserialize;

use super::{Kind, Store, TimeRange, columns, listing::cut};
use crate::{
    QueryError,
    exposure::{Passage, Scan, plausibility::LOOK_BACK_S, without_repeats},
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
    /// Category of the venue.
    pub category: String,
    /// Whether the phone said that it was far from it.
    pub far_from_venue: bool,
}

#[derive(Row, Deserialize)]
struct HistoryRow {
    #[serde(deserialize_with = "columns::person")]
    person_id: PersonKey,
    venue_id: VenueId,
    scanned_at: u32,
    #[serde(deserialize_with = "columns::method")]
    method: Method,
    #[serde(deserialize_with = "columns::direction")]
    direction: Direction,
    #[serde(deserialize_with = "columns::colour")]
    colour: Colour,
    category: String,
}

/// Scans of a person.
#[derive(Debug, Clone, Default)]
pub struct Visits {
    /// All that were read, oldest first, with whether each is a visit that was asked for: not one before that time, nor one
    /// that repeats another by a second method.
    pub scans: Vec<(VisitRow, bool)>,
    /// Whether there are more than the limit let through.
    pub more: bool,
}

impl Visits {
    /// The visits that were asked for.
    pub fn asked_for(&self) -> impl Iterator<Item = &VisitRow> {
        self.scans.iter().filter(|(_, asked_for)| *asked_for).map(|(row, _)| row)
    }
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
    /// scan by another method at the same point within `either_or_s` seconds is the same visit (S3). With them come the
    /// scans of a day before, which tell what is plausible.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn visits(
        &self,
        person: PersonKey,
        time: TimeRange,
        limit: usize,
        either_or_s: u32,
    ) -> Result<Visits, QueryError> {
        let query = self
            .query_of_person(include_str!("../sql/visits.sql"))
            .param("person", person.to_u64())
            .param("lead", time.from.saturating_sub(either_or_s.max(LOOK_BACK_S)))
            .param("since", time.from)
            .param("until", time.to)
            .param("limit", limit + 1);
        let rows: Vec<VisitRow> = self.rows(Kind::Visits, query).await?;
        let before = rows.partition_point(|row| row.scanned_at < time.from);
        let (rows, more) = cut(rows, before + limit);
        let stay = without_repeats((0..rows.len()).collect(), either_or_s, |number: &usize| {
            let VisitRow { venue_id: venue, scanned_at: at, method, direction, .. } = rows[*number];
            Passage { person, venue, direction, at, method }
        });
        let mut scans: Vec<(VisitRow, bool)> = rows.into_iter().map(|row| (row, false)).collect();
        for number in stay {
            scans[number].1 = scans[number].0.scanned_at >= time.from;
        }
        Ok(Visits { scans, more })
    }

    /// The scans of many people in a time, each with the category of its venue, in no order. `seen` hears of how many people
    /// they have been read.
    ///
    /// # Errors
    /// When ClickHouse does not answer, or there are more than `limit`.
    pub async fn scans_of(
        &self,
        people: &[PersonKey],
        time: TimeRange,
        limit: usize,
        seen: impl Fn(usize),
    ) -> Result<Vec<(Scan, String)>, QueryError> {
        let (mut scans, mut done) = (Vec::new(), 0);
        for people in people.chunks(self.max_query_people) {
            let left = limit - scans.len();
            let query = self
                .query_of_person(include_str!("../sql/scans_of_people.sql"))
                .param("people", people.iter().map(|person| person.to_u64()).collect::<Vec<_>>())
                .param("since", time.from)
                .param("until", time.to)
                .param("limit", left + 1);
            let rows: Vec<HistoryRow> = self.rows(Kind::ScansOfPeople, query).await?;
            if rows.len() > left {
                return Err(QueryError::too_many_scans(limit));
            }
            scans.extend(rows.into_iter().map(|row| {
                let HistoryRow {
                    person_id: person,
                    venue_id: venue,
                    scanned_at: at,
                    method,
                    direction,
                    colour,
                    category,
                } = row;
                (Scan { person, venue, at, method, direction, colour }, category)
            }));
            done += people.len();
            seen(done);
        }
        Ok(scans)
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
            .param("until", time.to);
        self.up_to(Kind::Visitors, query, limit).await
    }
}
