//! The scans of others inside a person's windows: few windows as ranges of the key, many as a join.

use std::fmt::Write;

use clickhouse::{Row, query::Query};
use schemas::{Colour, Method, PersonKey, VenueId};
use serde::Deserialize;

use super::{Kind, Store, columns};
use crate::{
    QueryError,
    exposure::{ContactScan, Window},
};

/// Windows in one query. A parameter may have 128 KiB, and a time takes 11 bytes.
const MAX_WINDOWS: usize = 10_000;

const WINDOWS_MARKER: &str = "/*WINDOWS*/";

#[derive(Row, Deserialize)]
struct ContactRow {
    #[serde(deserialize_with = "columns::person")]
    person_id: PersonKey,
    venue_id: VenueId,
    scanned_at: u32,
    #[serde(deserialize_with = "columns::method")]
    method: Method,
    #[serde(deserialize_with = "columns::colour")]
    colour: Colour,
}

impl From<ContactRow> for ContactScan {
    fn from(row: ContactRow) -> Self {
        let ContactRow { person_id, venue_id, scanned_at, method, colour } = row;
        Self { person: person_id, venue: venue_id, at: scanned_at, method, colour }
    }
}

impl Store {
    /// The scans of everybody but `person` inside the windows, in no order.
    ///
    /// The windows of one venue must not overlap.
    ///
    /// # Errors
    /// When ClickHouse does not answer, or there are more than `limit`.
    pub async fn scans_in_windows(
        &self,
        person: PersonKey,
        windows: &[Window],
        limit: usize,
    ) -> Result<Vec<ContactScan>, QueryError> {
        let mut scans = Vec::new();
        for windows in windows.chunks(MAX_WINDOWS) {
            let query = if windows.len() <= self.max_window_ranges { by_ranges(windows) } else { by_join(windows) };
            let left = limit - scans.len();
            let query = with_windows(self.query(&query), windows).param("person", person.to_u64());
            let rows = self.rows::<ContactRow>(Kind::Contacts, query.param("limit", left + 1)).await?;
            if rows.len() > left {
                return Err(QueryError::TraceTooLarge { what: "scans of others", limit: limit as u64 });
            }
            scans.extend(rows.into_iter().map(ContactScan::from));
        }
        Ok(scans)
    }
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

fn by_join(_windows: &[Window]) -> String {
    include_str!("../sql/contacts_by_join.sql").to_owned()
}

/// The text has numbers of windows in it and no value.
fn by_ranges(windows: &[Window]) -> String {
    let mut conditions = String::new();
    for number in 1..=windows.len() {
        let or = if number == 1 { "" } else { " OR " };
        let at = |end: &str| format!("toDateTime({{{end}:Array(UInt32)}}[{number}], 'UTC')");
        let (opens, closes) = (at("opens"), at("closes"));
        // Writing to a string cannot fail.
        let _ = write!(
            conditions,
            "{or}(venue_id = {{venues:Array(UInt32)}}[{number}] AND scanned_at BETWEEN {opens} AND {closes})"
        );
    }
    include_str!("../sql/contacts_by_ranges.sql").replace(WINDOWS_MARKER, &conditions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_condition_for_each_window_and_no_value_in_the_text() {
        let windows = [Window { venue: 777_777, opens: 888_888, closes: 999_999 }; 2];
        let sql = by_ranges(&windows);
        assert_eq!(sql.matches("BETWEEN").count(), 2);
        assert!(sql.contains("[1]") && sql.contains("[2]") && !sql.contains(WINDOWS_MARKER), "{sql}");
        assert!(!sql.contains("777777") && !sql.contains("888888") && !sql.contains("999999"), "{sql}");
    }

    #[test]
    fn the_largest_parameter_fits() {
        let windows = vec![Window { venue: u32::MAX, opens: u32::MAX, closes: u32::MAX }; MAX_WINDOWS];
        let text = serde_json::to_string(&windows.iter().map(|w| w.opens).collect::<Vec<_>>()).expect("serialises");
        assert!(text.len() < 128 * 1024, "{}", text.len());
    }
}
