//! Either the code or the sentinel is asked for at one point, never both (S3): who is scanned by both within minutes was
//! there once.

use std::collections::HashMap;

use schemas::{Direction, Method, PersonKey, VenueId};

use super::StoredSeconds;

/// What of a scan tells whether it repeats another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passage {
    /// Who.
    pub person: PersonKey,
    /// Where.
    pub venue: VenueId,
    /// In or out.
    pub direction: Direction,
    /// When.
    pub at: StoredSeconds,
    /// How.
    pub method: Method,
}

/// Leaves out each scan before which, by at most `within_s` seconds, the same person was scanned at the same venue in the
/// same direction by another method; of two in the same second the method with the smaller number stays. The rest keeps its
/// order. Whether a scan stays is told by the scans of these seconds alone.
pub fn without_repeats<T>(scans: Vec<T>, within_s: u32, passage: impl Fn(&T) -> Passage) -> Vec<T> {
    let one_method = scans.first().map(|first| passage(first).method);
    if within_s == 0 || scans.iter().all(|scan| Some(passage(scan).method) == one_method) {
        return scans;
    }
    let mut order: Vec<(Passage, usize)> = scans.iter().map(&passage).zip(0..).collect();
    order.sort_unstable_by_key(|(passage, number)| (passage.at, passage.method, *number));
    // When each was last seen by each method.
    let mut seen: HashMap<(PersonKey, VenueId, Direction), [Option<StoredSeconds>; Method::ALL.len()]> = HashMap::new();
    let mut repeats = vec![false; scans.len()];
    for (Passage { person, venue, direction, at, method }, number) in order {
        let last = seen.entry((person, venue, direction)).or_default();
        let by_others = Method::ALL.iter().zip(last.iter()).filter(|(other, _)| **other != method);
        repeats[number] = by_others.filter_map(|(_, at)| *at).any(|earlier| at - earlier <= within_s);
        if let Some(slot) = Method::ALL.iter().position(|known| *known == method) {
            last[slot] = Some(at);
        }
    }
    let mut repeats = repeats.into_iter();
    scans.into_iter().filter(|_| !repeats.next().unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_passage() -> impl Strategy<Value = Passage> {
        (1u64..4, 0u32..2, 0usize..2, 0u32..60, 0usize..5).prop_map(|(person, venue, direction, at, method)| Passage {
            person: PersonKey::from_u64(1 << 60 | person).expect("version 1"),
            venue,
            direction: Direction::ALL[direction],
            at,
            method: Method::ALL[method],
        })
    }

    fn repeats(scan: &Passage, other: &Passage, within_s: u32) -> bool {
        (scan.person, scan.venue, scan.direction) == (other.person, other.venue, other.direction)
            && scan.method != other.method
            && (other.at, other.method) < (scan.at, scan.method)
            && scan.at - other.at <= within_s
    }

    proptest! {
        /// Every pair, tried.
        #[test]
        fn a_scan_stays_unless_another_method_was_used_within_the_minutes_before(
            scans in prop::collection::vec(any_passage(), 0..60), within_s in 0u32..20,
        ) {
            let stays = |scan: &&Passage| within_s == 0 || !scans.iter().any(|other| repeats(scan, other, within_s));
            let expected: Vec<Passage> = scans.iter().filter(stays).copied().collect();
            prop_assert_eq!(without_repeats(scans.clone(), within_s, |scan| *scan), expected);
        }

        /// A trace reads only a part of the scans: what lies further back than the minutes makes no difference.
        #[test]
        fn what_is_further_back_than_the_minutes_makes_no_difference(
            scans in prop::collection::vec(any_passage(), 0..60), within_s in 1u32..20, from in 0u32..60,
        ) {
            let after = |scans: Vec<Passage>| scans.into_iter().filter(|scan| scan.at >= from).collect::<Vec<_>>();
            let read: Vec<Passage> = scans.iter().filter(|scan| scan.at + within_s >= from).copied().collect();
            let part = after(without_repeats(read, within_s, |scan| *scan));
            prop_assert_eq!(part, after(without_repeats(scans, within_s, |scan| *scan)));
        }

        #[test]
        fn whoever_is_scanned_by_one_method_only_was_there_every_time(
            scans in prop::collection::vec(any_passage(), 0..60), within_s in 0u32..20,
        ) {
            let one: Vec<Passage> = scans.into_iter().map(|scan| Passage { method: Method::VenueCode, ..scan }).collect();
            prop_assert_eq!(without_repeats(one.clone(), within_s, |scan| *scan), one);
        }
    }
}
