//! The times at each venue at which a scan of another person would be an encounter.

use schemas::VenueId;

use super::{IndexVisit, StoredSeconds};

/// A time at a venue, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// Where.
    pub venue: VenueId,
    /// First second.
    pub opens: StoredSeconds,
    /// Last second.
    pub closes: StoredSeconds,
}

/// The windows that reach `reach_s` seconds to both sides of each visit, and `lead_s` further back, merged where they touch.
///
/// They come sorted by venue and time; those of one venue neither overlap nor touch, so every scan is in one at
/// most.
pub fn merged(visits: &[IndexVisit], reach_s: u32, lead_s: u32) -> Vec<Window> {
    let mut visits = visits.to_vec();
    visits.sort_unstable();
    let mut windows: Vec<Window> = Vec::new();
    for IndexVisit { venue, at } in visits {
        let (opens, closes) = (at.saturating_sub(reach_s).saturating_sub(lead_s), at.saturating_add(reach_s));
        match windows.last_mut() {
            Some(last) if last.venue == venue && opens <= last.closes.saturating_add(1) => last.closes = closes,
            _ => windows.push(Window { venue, opens, closes }),
        }
    }
    windows
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn merged_windows_cover_the_same_seconds_and_stay_apart(
            visits in prop::collection::vec((0u32..3, 0u32..300), 0..40),
            reach_s in 0u32..20, lead_s in 0u32..20,
        ) {
            let visits: Vec<_> = visits.into_iter().map(|(venue, at)| IndexVisit { venue, at }).collect();
            let expected: BTreeSet<_> = visits
                .iter()
                .flat_map(|v| (v.at.saturating_sub(reach_s + lead_s)..=v.at + reach_s).map(|second| (v.venue, second)))
                .collect();
            let windows = merged(&visits, reach_s, lead_s);
            let covered: Vec<_> =
                windows.iter().flat_map(|w| (w.opens..=w.closes).map(|second| (w.venue, second))).collect();
            prop_assert_eq!(covered.iter().copied().collect::<BTreeSet<_>>(), expected);
            prop_assert!(covered.is_sorted(), "no second is covered twice or out of order");
            for pair in windows.windows(2) {
                prop_assert!(pair[0].venue < pair[1].venue || pair[0].closes + 1 < pair[1].opens);
            }
        }
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        let visits = [IndexVisit { venue: 1, at: 5 }, IndexVisit { venue: 1, at: u32::MAX - 5 }];
        let windows = merged(&visits, 10, 0);
        assert_eq!(windows[0], Window { venue: 1, opens: 0, closes: 15 });
        assert_eq!(windows[1], Window { venue: 1, opens: u32::MAX - 15, closes: u32::MAX });
    }
}
