//! The times at each venue at which a scan of another person would matter.

use schemas::VenueId;

use super::StoredSeconds;

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

/// Windows, merged where they overlap or touch.
///
/// They come sorted by venue and time; those of one venue neither overlap nor touch, so every scan is in one at
/// most.
pub fn merged(mut windows: Vec<Window>) -> Vec<Window> {
    windows.sort_unstable();
    let mut merged: Vec<Window> = Vec::new();
    for window in windows {
        match merged.last_mut() {
            Some(last) if last.venue == window.venue && window.opens <= last.closes.saturating_add(1) => {
                last.closes = last.closes.max(window.closes);
            }
            _ => merged.push(window),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn merged_windows_cover_the_same_seconds_and_stay_apart(
            windows in prop::collection::vec((0u32..3, 0u32..300, 0u32..40), 0..40),
        ) {
            let window = |(venue, opens, length)| Window { venue, opens, closes: opens + length };
            let windows: Vec<_> = windows.into_iter().map(window).collect();
            let seconds = |w: &Window| (w.opens..=w.closes).map(|second| (w.venue, second)).collect::<Vec<_>>();
            let expected: BTreeSet<_> = windows.iter().flat_map(seconds).collect();
            let windows = merged(windows);
            let covered: Vec<_> = windows.iter().flat_map(seconds).collect();
            prop_assert_eq!(covered.iter().copied().collect::<BTreeSet<_>>(), expected);
            prop_assert!(covered.is_sorted(), "no second is covered twice or out of order");
            for pair in windows.windows(2) {
                prop_assert!(pair[0].venue < pair[1].venue || pair[0].closes + 1 < pair[1].opens);
            }
        }
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        let windows = [(0, 15), (u32::MAX - 15, u32::MAX), (u32::MAX, u32::MAX)];
        let windows = windows.map(|(opens, closes)| Window { venue: 1, opens, closes });
        assert_eq!(merged(windows.to_vec()), &windows[..2]);
    }
}
