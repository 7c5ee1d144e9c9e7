//! What a trace and a footfall count must say, worked out in plain Rust from a list of sightings.
//!
//! It shares no code and no query with the services, so that agreement means something.

pub mod chains;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use schemas::{UnixSeconds, VenueId};

/// Somebody was somewhere at a time. Persons are numbers: person keys, or any other numbering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sighting {
    /// Who.
    pub person: u64,
    /// Where.
    pub venue: VenueId,
    /// When.
    pub at: UnixSeconds,
}

/// Two people at one venue within the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Encounter {
    /// Where.
    pub venue: VenueId,
    /// When the index person was scanned.
    pub index_at: UnixSeconds,
    /// When the contact was scanned.
    pub contact_at: UnixSeconds,
}

impl Encounter {
    /// Seconds for which both were there, if each stays for `window_s` seconds.
    pub const fn overlap_s(&self, window_s: i64) -> i64 {
        window_s - (self.index_at - self.contact_at).abs()
    }
}

/// Scans and distinct people in an hour or a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Footfall {
    /// Scans.
    pub scans: u64,
    /// Distinct people.
    pub persons: u64,
}

/// A list of sightings, arranged by venue and by person.
#[derive(Debug, Clone, Default)]
pub struct Oracle {
    by_venue: HashMap<VenueId, Vec<(UnixSeconds, u64)>>,
    by_person: HashMap<u64, Vec<(UnixSeconds, VenueId)>>,
}

impl Oracle {
    /// Arranges sightings, which may come in any order.
    pub fn new(sightings: impl IntoIterator<Item = Sighting>) -> Self {
        let mut oracle = Self::default();
        for Sighting { person, venue, at } in sightings {
            oracle.by_venue.entry(venue).or_default().push((at, person));
            oracle.by_person.entry(person).or_default().push((at, venue));
        }
        oracle.by_venue.values_mut().for_each(|scans| scans.sort_unstable());
        oracle.by_person.values_mut().for_each(|scans| scans.sort_unstable());
        oracle
    }

    /// When and where a person was within a range of time, in the order of time.
    pub fn visits(&self, person: u64, range: Range<UnixSeconds>) -> &[(UnixSeconds, VenueId)] {
        self.by_person.get(&person).map_or(&[], |visits| slice(visits, range))
    }

    /// Everybody who was scanned at the same venue at most `window_s` seconds before or after the person, where the
    /// person's own scan lies in the range. Each pair of scans is an encounter.
    pub fn contacts(&self, person: u64, range: Range<UnixSeconds>, window_s: i64) -> BTreeMap<u64, Vec<Encounter>> {
        let mut contacts: BTreeMap<u64, Vec<Encounter>> = BTreeMap::new();
        for (index_at, venue) in self.visits(person, range) {
            let near = *index_at - window_s..*index_at + window_s + 1;
            let others = self.by_venue.get(venue).map_or(&[][..], |scans| slice(scans, near));
            for (contact_at, other) in others.iter().filter(|(_, other)| *other != person) {
                let encounter = Encounter { venue: *venue, index_at: *index_at, contact_at: *contact_at };
                contacts.entry(*other).or_default().push(encounter);
            }
        }
        contacts.values_mut().for_each(|encounters| encounters.sort_unstable());
        contacts
    }

    /// All pairs of people (the smaller number first) who met at all.
    pub fn pairs(&self, window_s: i64) -> HashSet<(u64, u64)> {
        let mut pairs = HashSet::new();
        for scans in self.by_venue.values() {
            for (i, (at, one)) in scans.iter().enumerate() {
                for (_, other) in scans[i + 1..].iter().take_while(|(later, _)| later - at <= window_s) {
                    if one != other {
                        pairs.insert((*one.min(other), *one.max(other)));
                    }
                }
            }
        }
        pairs
    }

    /// Footfall of a venue per step of `step_s` seconds, by the start of the step; steps begin at the city's midnight.
    pub fn footfall(
        &self,
        venue: VenueId,
        range: Range<UnixSeconds>,
        step_s: i64,
        utc_offset_minutes: i32,
    ) -> BTreeMap<UnixSeconds, Footfall> {
        let offset = i64::from(utc_offset_minutes) * 60;
        let mut steps: BTreeMap<UnixSeconds, (u64, HashSet<u64>)> = BTreeMap::new();
        for (at, person) in self.by_venue.get(&venue).map_or(&[][..], |scans| slice(scans, range)) {
            let start = (at + offset).div_euclid(step_s) * step_s - offset;
            let (scans, persons) = steps.entry(start).or_default();
            *scans += 1;
            persons.insert(*person);
        }
        let counted = |(scans, persons): (u64, HashSet<u64>)| Footfall { scans, persons: persons.len() as u64 };
        steps.into_iter().map(|(start, step)| (start, counted(step))).collect()
    }

    /// The venues with the most scans, busiest first; of equals the smaller number first.
    pub fn busiest(&self, count: usize) -> Vec<(VenueId, u64)> {
        let mut venues: Vec<(VenueId, u64)> = self.by_venue.iter().map(|(v, scans)| (*v, scans.len() as u64)).collect();
        venues.sort_unstable_by_key(|(venue, scans)| (std::cmp::Reverse(*scans), *venue));
        venues.truncate(count);
        venues
    }
}

/// The part of a list in the order of time that lies in the range.
fn slice<T>(scans: &[(UnixSeconds, T)], range: Range<UnixSeconds>) -> &[(UnixSeconds, T)] {
    let start = scans.partition_point(|(at, _)| *at < range.start);
    let end = scans.partition_point(|(at, _)| *at < range.end);
    scans.get(start..end).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sightings() -> impl Strategy<Value = Vec<Sighting>> {
        let one = (0u64..8, 0u32..4, 0i64..20_000).prop_map(|(person, venue, at)| Sighting { person, venue, at });
        proptest::collection::vec(one, 0..80)
    }

    #[test]
    fn the_window_includes_its_ends() {
        let at = |person, at| Sighting { person, venue: 1, at };
        let oracle = Oracle::new([at(1, 10_000), at(2, 10_000 + 1800), at(3, 10_000 - 1801), at(1, 50_000)]);
        let contacts = oracle.contacts(1, 0..60_000, 1800);
        assert_eq!(contacts.keys().copied().collect::<Vec<_>>(), [2]);
        assert_eq!(contacts[&2][0].overlap_s(1800), 0);
        assert_eq!(oracle.contacts(1, 10_001..60_000, 1800).len(), 0, "only scans in the range count");
        assert_eq!(oracle.pairs(1800), HashSet::from([(1, 2)]));
    }

    #[test]
    fn a_day_begins_at_the_citys_midnight() {
        let midnight = 1_654_012_800; // 2022-06-01 00:00 in Shanghai
        let at = |person, at| Sighting { person, venue: 1, at };
        let oracle = Oracle::new([at(1, midnight - 1), at(1, midnight), at(1, midnight + 5), at(2, midnight + 3600)]);
        let days = oracle.footfall(1, 0..i64::MAX, 86_400, 480);
        assert_eq!(
            days.into_iter().collect::<Vec<_>>(),
            [(midnight - 86_400, Footfall { scans: 1, persons: 1 }), (midnight, Footfall { scans: 3, persons: 2 }),]
        );
    }

    proptest! {
        /// Against the definition itself: every scan with every other.
        #[test]
        fn contacts_and_pairs_are_those_of_the_definition(
            sightings in sightings(), window in 0i64..4_000, from in 0i64..20_000, length in 0i64..20_000,
        ) {
            let oracle = Oracle::new(sightings.clone());
            let meets = |a: &Sighting, b: &Sighting| {
                a.person != b.person && a.venue == b.venue && (a.at - b.at).abs() <= window
            };
            let mut pairs = HashSet::new();
            for a in &sightings {
                for b in sightings.iter().filter(|b| meets(a, b)) {
                    pairs.insert((a.person.min(b.person), a.person.max(b.person)));
                }
            }
            prop_assert_eq!(oracle.pairs(window), pairs);
            for person in 0..8 {
                let mut expected: BTreeMap<u64, Vec<Encounter>> = BTreeMap::new();
                let own = sightings.iter().filter(|a| a.person == person && (from..from + length).contains(&a.at));
                for a in own {
                    for b in sightings.iter().filter(|b| meets(a, b)) {
                        let encounter = Encounter { venue: a.venue, index_at: a.at, contact_at: b.at };
                        expected.entry(b.person).or_default().push(encounter);
                    }
                }
                expected.values_mut().for_each(|e| e.sort_unstable());
                prop_assert_eq!(oracle.contacts(person, from..from + length, window), expected);
            }
        }

        #[test]
        fn footfall_counts_every_scan_once(sightings in sightings(), step in 1i64..5_000, offset in -720i32..720) {
            let oracle = Oracle::new(sightings.clone());
            for venue in 0..4 {
                let here: Vec<&Sighting> = sightings.iter().filter(|s| s.venue == venue).collect();
                let steps = oracle.footfall(venue, 0..20_000, step, offset);
                prop_assert_eq!(steps.values().map(|f| f.scans).sum::<u64>(), here.len() as u64);
                for (start, footfall) in steps {
                    prop_assert_eq!((start + i64::from(offset) * 60).rem_euclid(step), 0);
                    let people: HashSet<u64> =
                        here.iter().filter(|s| (start..start + step).contains(&s.at)).map(|s| s.person).collect();
                    prop_assert_eq!(footfall.persons, people.len() as u64);
                }
            }
        }
    }
}
