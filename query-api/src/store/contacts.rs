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
    /// The scans of everybody but `cases` inside the windows, in no order, and how many scans were looked at for them: those
    /// beside the windows, but in the same steps of time, as well.
    ///
    /// The windows must be sorted by venue and time, and not overlap.
    ///
    /// # Errors
    /// When ClickHouse does not answer, or more than `limit` would have to be looked at.
    pub async fn scans_in_windows(
        &self,
        cases: &[PersonKey],
        windows: &[Window],
        limit: usize,
    ) -> Result<(Vec<Scan>, usize), QueryError> {
        // No person has the key 0, and a list of nobody is no set.
        let cases: Vec<u64> = cases.iter().map(|person| person.to_u64()).chain([0]).collect();
        let (mut scans, mut looked_at) = (Vec::new(), 0);
        for windows in windows.chunks(self.max_query_windows) {
            let query = self.query_steps(windows).param("cases", &cases).param("most", limit - looked_at + 1);
            let take = |row: ContactRow| {
                looked_at += 1;
                if is_inside(windows, row.venue_id, row.scanned_at) {
                    scans.push(Scan::from(row));
                }
                ControlFlow::Continue(())
            };
            self.each(Kind::Contacts, query, take).await?;
            if looked_at > limit {
                return Err(QueryError::too_many_scans(limit));
            }
        }
        Ok((scans, looked_at))
    }

    /// A query for what lies in the steps that windows touch.
    fn query_steps(&self, windows: &[Window]) -> Query {
        let first = windows.iter().map(|window| window.opens).min().unwrap_or(0);
        let last = windows.iter().map(|window| window.closes).max().unwrap_or(0);
        let query = match few_steps(windows, self.max_window_steps) {
            Some((function, steps)) => {
                let (venues, starts): (Vec<VenueId>, Vec<u32>) = steps.into_iter().unzip();
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

/// The shortest steps that windows touch `most` of at most: what ClickHouse calls them, and each by venue and first second.
fn few_steps(windows: &[Window], most: usize) -> Option<(&'static str, Vec<(VenueId, u32)>)> {
    STEPS.into_iter().find_map(|(step_s, function)| {
        let steps: Vec<_> = steps(windows, step_s).take(most + 1).collect();
        (steps.len() <= most).then_some((function, steps))
    })
}

/// The steps of so many seconds since 1970 that windows touch, each once: two windows that share one come one after the
/// other.
fn steps(windows: &[Window], step_s: u32) -> impl Iterator<Item = (VenueId, u32)> {
    let of_window = move |window: &Window| {
        let venue = window.venue;
        (window.opens / step_s..=window.closes / step_s).map(move |step| (venue, step * step_s))
    };
    let mut last = None;
    windows.iter().flat_map(of_window).filter(move |step| last.replace(*step) != Some(*step))
}

/// Whether a scan lies in one of the windows, which come sorted by venue and time and do not overlap.
fn is_inside(windows: &[Window], venue: VenueId, at: u32) -> bool {
    let opened = windows.partition_point(|window| (window.venue, window.opens) <= (venue, at));
    opened.checked_sub(1).is_some_and(|last| windows[last].venue == venue && at <= windows[last].closes)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use proptest::prelude::*;

    use super::*;
    use crate::{QueryConfig, exposure::merged};

    #[derive(Parser)]
    struct Limits {
        #[command(flatten)]
        limits: QueryConfig,
    }

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
                let asked: Vec<_> = steps(&windows, step_s).collect();
                prop_assert!(asked.contains(&(venue, at - at % step_s)) || !expected);
                prop_assert!(asked.is_sorted_by(|one, next| one < next), "each once");
            }
        }
    }

    #[test]
    fn as_many_windows_as_one_query_takes_fit_short_steps() {
        let limits = Limits::parse_from(["limits"]).limits;
        let (many, most) = (limits.max_query_windows, limits.max_window_steps as usize);
        let taken = |minutes: u32| {
            // Each at a venue of its own, and across a midnight of UTC, which is the morning's rush hour in China.
            let window =
                |venue| Window { venue, opens: 86_400 - minutes * 30 + venue % 60, closes: 86_400 + minutes * 30 };
            few_steps(&(0..many).map(window).collect::<Vec<_>>(), most).map(|(function, _)| function)
        };
        assert_eq!([60, 180, 720].map(taken), STEPS[..3].iter().map(|step| Some(step.1)).collect::<Vec<_>>()[..]);
        assert_eq!(taken(2 * 1_440), Some("toStartOfDay"), "not whole venues");
    }

    #[test]
    fn windows_that_share_a_step_name_it_once() {
        let window = |at| Window { venue: 1, opens: at, closes: at };
        let windows: Vec<_> = (0..100).step_by(2).map(window).collect();
        assert_eq!(few_steps(&windows, 1), Some((SHORTEST, vec![(1, 0)])));
        assert_eq!(few_steps(&windows, 0), None);
    }

    #[test]
    fn the_largest_parameter_fits() {
        let most = crate::config::MAX_QUERY_WINDOWS as usize;
        let text = serde_json::to_string(&vec![u32::MAX; most]).expect("serialises");
        assert!(text.len() < 128 * 1024, "{}", text.len());
    }
}
