//! The scans of others inside a person's windows: a join, and for few windows their ranges of the key as a hint.

use std::fmt::Write;

use clickhouse::{Row, query::Query};
use schemas::{Colour, Direction, Method, PersonKey, VenueId};
use serde::Deserialize;

use super::{Kind, Store, columns};
use crate::{
    QueryError,
    exposure::{Scan, Window},
};

const RANGES_MARKER: &str = "/*RANGES*/";

#[derive(Row, Deserialize)]
struct ContactRow {
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
}

impl From<ContactRow> for Scan {
    fn from(row: ContactRow) -> Self {
        let ContactRow { person_id, venue_id, scanned_at, method, direction, colour } = row;
        Self { person: person_id, venue: venue_id, at: scanned_at, method, direction, colour }
    }
}

impl Store {
    /// The scans of everybody but `cases` inside the windows, in no order.
    ///
    /// The windows of one venue must not overlap.
    ///
    /// # Errors
    /// When ClickHouse does not answer, or there are more than `limit`.
    pub async fn scans_in_windows(
        &self,
        cases: &[PersonKey],
        windows: &[Window],
        limit: usize,
    ) -> Result<Vec<Scan>, QueryError> {
        // No person has the key 0, and a list of nobody is no set.
        let cases: Vec<u64> = cases.iter().map(|person| person.to_u64()).chain([0]).collect();
        let mut scans = Vec::new();
        for windows in windows.chunks(self.max_query_windows) {
            let hinted = windows.len() * weeks(windows) <= self.max_window_ranges;
            let query = sql(if hinted { windows.len() } else { 0 });
            let left = limit - scans.len();
            let query = with_windows(self.query_of_person(&query), windows).param("cases", &cases);
            let rows = self.rows::<ContactRow>(Kind::Contacts, query.param("limit", left + 1)).await?;
            if rows.len() > left {
                return Err(QueryError::too_many_scans(limit));
            }
            scans.extend(rows.into_iter().map(Scan::from));
        }
        Ok(scans)
    }
}

/// Weeks that the windows span: ClickHouse holds every range against every week's parts.
fn weeks(windows: &[Window]) -> usize {
    const WEEK_S: u32 = 7 * 24 * 3600;
    let first = windows.iter().map(|window| window.opens).min().unwrap_or(0);
    let last = windows.iter().map(|window| window.closes).max().unwrap_or(0);
    (last / WEEK_S - first / WEEK_S + 1) as usize
}

fn with_windows(query: Query, windows: &[Window]) -> Query {
    let column = |of: fn(&Window) -> u32| windows.iter().map(of).collect::<Vec<_>>();
    query
        .param("venues", column(|window| window.venue))
        .param("opens", column(|window| window.opens))
        .param("closes", column(|window| window.closes))
        .param("first", windows.iter().map(|window| window.opens).min().unwrap_or(0))
        .param("last", windows.iter().map(|window| window.closes).max().unwrap_or(0))
}

/// The query, with the ranges of this many windows. The text has numbers of windows in it and no value.
fn sql(ranges: usize) -> String {
    let mut hint = String::new();
    for number in 1..=ranges {
        let or = if number == 1 { "AND indexHint(" } else { " OR " };
        let at = |end: &str| format!("toDateTime({{{end}:Array(UInt32)}}[{number}], 'UTC')");
        let (opens, closes) = (at("opens"), at("closes"));
        // Writing to a string cannot fail.
        let _ = write!(
            hint,
            "{or}(scan.venue_id = {{venues:Array(UInt32)}}[{number}] AND scan.scanned_at BETWEEN {opens} AND {closes})"
        );
    }
    let end = if ranges == 0 { "" } else { ")" };
    include_str!("../sql/contacts.sql").replace(RANGES_MARKER, &(hint + end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_range_for_each_window_and_none_without_a_hint() {
        let (with, without) = (sql(2), sql(0));
        assert!(with.contains("[1]") && with.contains("[2]") && !with.contains("[3]"), "{with}");
        assert!(!without.contains("indexHint") && !without.contains("[1]"), "{without}");
        assert!(!with.contains(RANGES_MARKER) && !without.contains(RANGES_MARKER));
    }

    #[test]
    fn the_largest_parameter_fits() {
        let most = crate::config::MAX_QUERY_WINDOWS as usize;
        let windows = vec![Window { venue: u32::MAX, opens: u32::MAX, closes: u32::MAX }; most];
        let text = serde_json::to_string(&windows.iter().map(|w| w.opens).collect::<Vec<_>>()).expect("serialises");
        assert!(text.len() < 128 * 1024, "{}", text.len());
    }
}
