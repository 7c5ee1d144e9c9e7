//! The scans of others inside a person's windows: those in the steps of time that a window touches, held against it here.

use std::ops::ControlFlow;

use clickhouse::{Row, query::Query};
use schemas::{Colour, Direction, Method, PersonKey, VenueId};
use serde::Deserialize;

use super::{Kind, Store, columns};
use crate::{
    QueryError,
    exposure::{Scan, Window},
};

const SQL: &str = include_str!("../sql/contacts.sql");
/// The shortest step, as the query names it, and what takes its place.
const SHORTEST: &str = "toStartOfFiveMinutes";
const STEPS: [(u32, &str); 4] =
    [(300, SHORTEST), (900, "toStartOfFifteenMinutes"), (3_600, "toStartOfHour"), (86_400, "toStartOfDay")];
const IN_STEPS: &str =
    "(venue_id, toStartOfFiveMinutes(scanned_at)) IN arrayZip({venues:Array(UInt32)}, {starts:Array(DateTime('UTC'))})";
const AT_VENUES: &str = "venue_id IN {venues:Array(UInt32)}";

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
    /// The windows must be sorted by venue and time, and not overlap.
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
            let query = self.query_steps(windows).param("cases", &cases);
            let mut is_too_many = false;
            let take = |row: ContactRow| {
                if is_inside(windows, row.venue_id, row.scanned_at) {
                    is_too_many = scans.len() == limit;
                    if is_too_many {
                        return ControlFlow::Break(());
                    }
                    scans.push(Scan::from(row));
                }
                ControlFlow::Continue(())
            };
            self.each(Kind::Contacts, query, take).await?;
            if is_too_many {
                return Err(QueryError::too_many_scans(limit));
            }
        }
        Ok(scans)
    }

    /// A query for what lies in the steps that windows touch: the shortest steps of which there are not too many.
    fn query_steps(&self, windows: &[Window]) -> Query {
        let first = windows.iter().map(|window| window.opens).min().unwrap_or(0);
        let last = windows.iter().map(|window| window.closes).max().unwrap_or(0);
        let step = STEPS.iter().find(|(step_s, _)| {
            let count = windows.iter().map(|window| touched(window, *step_s).len()).sum::<usize>();
            count <= self.max_window_steps
        });
        let query = match step {
            Some((step_s, function)) => {
                let steps = windows.iter().flat_map(|window| touched(window, *step_s).map(|step| (window.venue, step)));
                let (venues, starts): (Vec<VenueId>, Vec<u32>) =
                    steps.map(|(venue, step)| (venue, step * step_s)).unzip();
                self.query_of_person(&SQL.replace(SHORTEST, function)).param("venues", venues).param("starts", starts)
            }
            None => {
                let venues: Vec<VenueId> = windows.iter().map(|window| window.venue).collect();
                self.query_of_person(&SQL.replace(IN_STEPS, AT_VENUES)).param("venues", venues)
            }
        };
        query.param("first", first).param("last", last)
    }
}

/// The steps of so many seconds since 1970 that a window touches, by their numbers.
fn touched(window: &Window, step_s: u32) -> std::ops::Range<u32> {
    window.opens / step_s..window.closes / step_s + 1
}

/// Whether a scan lies in one of the windows, which come sorted by venue and time and do not overlap.
fn is_inside(windows: &[Window], venue: VenueId, at: u32) -> bool {
    let opened = windows.partition_point(|window| (window.venue, window.opens) <= (venue, at));
    opened.checked_sub(1).is_some_and(|last| windows[last].venue == venue && at <= windows[last].closes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::exposure::merged;

    #[test]
    fn the_condition_is_where_others_take_its_place() {
        // In the text once, and once in its head.
        assert!(SQL.contains(IN_STEPS) && SQL.matches(SHORTEST).count() == 2);
        let whole = SQL.replace(IN_STEPS, AT_VENUES);
        assert!(whole.contains(AT_VENUES) && !whole.contains("{starts"));
    }

    proptest! {
        #[test]
        fn a_scan_is_inside_when_a_window_has_it_and_then_in_a_step_that_is_asked_for(
            windows in prop::collection::vec((0u32..3, 0u32..9_000, 0u32..4_000), 0..20), venue in 0u32..3, at in 0u32..14_000,
        ) {
            let window = |(venue, opens, length)| Window { venue, opens, closes: opens + length };
            let windows: Vec<_> = windows.into_iter().map(window).collect();
            let has = |w: &Window| w.venue == venue && (w.opens..=w.closes).contains(&at);
            let expected = windows.iter().any(has);
            let windows = merged(windows);
            prop_assert_eq!(is_inside(&windows, venue, at), expected);
            for (step_s, _) in STEPS {
                let asked = windows.iter().any(|w| w.venue == venue && touched(w, step_s).contains(&(at / step_s)));
                prop_assert!(asked || !expected);
            }
        }
    }

    #[test]
    fn the_largest_parameter_fits() {
        let most = crate::config::MAX_QUERY_WINDOWS as usize;
        let text = serde_json::to_string(&vec![u32::MAX; most]).expect("serialises");
        assert!(text.len() < 128 * 1024, "{}", text.len());
    }
}
