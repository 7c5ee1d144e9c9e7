//! How long somebody was at a venue: for the window of the request after each scan, or as the person's own scans tell.

use std::collections::HashMap;

use schemas::{CityProfile, Colour, Direction, Method, PersonKey, VenueId, city::VenueClass};
use serde::Serialize;
use utoipa::ToSchema;

use super::StoredSeconds;

/// A scan as tracing sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scan {
    /// Who.
    pub person: PersonKey,
    /// Where.
    pub venue: VenueId,
    /// When.
    pub at: StoredSeconds,
    /// How.
    pub method: Method,
    /// In or out.
    pub direction: Direction,
    /// Colour in force at the scan.
    pub colour: Colour,
}

/// How long people stay at venues of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dwell {
    /// Seconds, when nothing is known of the end.
    pub usual_s: u32,
    /// Most seconds that are believed.
    pub longest_s: u32,
}

/// What gave a stay its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StayRule {
    /// The window of the request, from the scan on.
    Window,
    /// The person's exit scan at the venue, with no other scan in between.
    ExitScan,
    /// The person's next scan, wherever that was.
    NextScan,
    /// What is usual at venues of the class: no scan followed.
    ClassDefault,
    /// An exit scan without an entry before it: what is usual, but not before the person's last scan elsewhere.
    ExitOnly,
    /// The time that the request names for a venue.
    Asked,
}

/// A time that somebody was at a venue, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stay {
    /// Where.
    pub venue: VenueId,
    /// First second.
    pub from: StoredSeconds,
    /// Last second.
    pub until: StoredSeconds,
    /// The scan that says so.
    pub at: StoredSeconds,
    /// What gave the length.
    pub rule: StayRule,
    /// Whether that was longer than is believed of the venue's class, and was cut to it.
    pub capped: bool,
}

/// The dwell times of a city, by category of venue.
#[derive(Debug, Clone)]
pub struct Dwells {
    of: HashMap<String, Dwell>,
    unknown: Dwell,
    longest_s: u32,
}

impl Dwells {
    /// Those of a profile. A category that it does not have, such as one of an older profile, is taken for one of its
    /// first class.
    pub fn of(city: &CityProfile) -> Self {
        let dwell = |class: &VenueClass| Dwell {
            usual_s: u32::from(class.dwell_minutes) * 60,
            longest_s: u32::from(class.dwell_cap_minutes) * 60,
        };
        let of_category = |id: &str| city.class_of(id).map(dwell);
        Self {
            of: city.categories.iter().filter_map(|c| Some((c.id.clone(), of_category(&c.id)?))).collect(),
            unknown: city.classes.first().map_or(Dwell { usual_s: 0, longest_s: 0 }, dwell),
            longest_s: city.classes.iter().map(|class| dwell(class).longest_s).max().unwrap_or(0),
        }
    }

    /// That of a category.
    pub fn at(&self, category: &str) -> Dwell {
        self.of.get(category).copied().unwrap_or(self.unknown)
    }

    /// The longest stay that is believed anywhere in the city, in seconds. A scan that is further from another tells nothing
    /// of it, so that no more of a person's scans has to be read.
    pub const fn longest_s(&self) -> u32 {
        self.longest_s
    }
}

impl Stay {
    /// For the window after a scan.
    pub const fn window(scan: &Scan, window_s: u32) -> Self {
        let (from, until) = (scan.at, scan.at.saturating_add(window_s));
        Self { venue: scan.venue, from, until, at: scan.at, rule: StayRule::Window, capped: false }
    }

    /// For a time that a request names; the end is not included there.
    pub const fn asked(venue: VenueId, from: StoredSeconds, to: StoredSeconds) -> Self {
        Self { venue, from, until: to.saturating_sub(1), at: from, rule: StayRule::Asked, capped: false }
    }

    fn entered(scan: &Scan, dwell: Dwell, next: Option<Scan>) -> Self {
        let (until, rule) = match next {
            Some(next) if next.direction == Direction::Exit && next.venue == scan.venue => {
                (next.at, StayRule::ExitScan)
            }
            Some(next) => (next.at, StayRule::NextScan),
            None => (scan.at.saturating_add(dwell.usual_s), StayRule::ClassDefault),
        };
        let longest = scan.at.saturating_add(dwell.longest_s);
        let capped = until > longest;
        Self { venue: scan.venue, from: scan.at, until: until.min(longest), at: scan.at, rule, capped }
    }

    fn left(scan: &Scan, dwell: Dwell, last: Option<Scan>) -> Self {
        let usual = scan.at.saturating_sub(dwell.usual_s);
        let from = last.map_or(usual, |last| usual.max(last.at));
        Self { venue: scan.venue, from, until: scan.at, at: scan.at, rule: StayRule::ExitOnly, capped: false }
    }
}

/// The stays of one person, by the scans alone. For each scan the stay that begins with it; none for an exit that ends
/// one. The order of the scans does not matter; of those in the same second a smaller venue, then an entry, comes first.
///
/// Scans more than `horizon_s` apart know nothing of each other. Two stays that begin with an entry never overlap; one that
/// has an exit only may overlap the one before, since nobody knows where in between the person was.
pub fn dwelt(scans: &[(Scan, Dwell)], horizon_s: u32) -> Vec<Option<Stay>> {
    let mut order: Vec<usize> = (0..scans.len()).collect();
    order.sort_by_key(|number| {
        let Scan { at, venue, direction, method, colour, .. } = scans[*number].0;
        (at, venue, direction, method, colour)
    });
    let mut stays = vec![None; scans.len()];
    for (place, number) in order.iter().enumerate() {
        let (scan, dwell) = &scans[*number];
        let near = |place: Option<usize>| {
            let other = order.get(place?).map(|number| scans[*number].0)?;
            (other.at.abs_diff(scan.at) <= horizon_s).then_some(other)
        };
        let last = near(place.checked_sub(1));
        let has_entered = |last: &Scan| last.direction == Direction::Entry && last.venue == scan.venue;
        stays[*number] = match scan.direction {
            Direction::Entry => Some(Stay::entered(scan, *dwell, near(Some(place + 1)))),
            Direction::Exit if last.as_ref().is_some_and(has_entered) => None,
            Direction::Exit => Some(Stay::left(scan, *dwell, last)),
        };
    }
    stays
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HORIZON_S: u32 = 100;

    /// Venues of even number are left after 10 to 30 seconds, others after 40 to 100.
    fn dwell(venue: VenueId) -> Dwell {
        if venue.is_multiple_of(2) {
            Dwell { usual_s: 10, longest_s: 30 }
        } else {
            Dwell { usual_s: 40, longest_s: 100 }
        }
    }

    fn scan(venue: VenueId, at: u32, direction: Direction) -> (Scan, Dwell) {
        let person = PersonKey::from_u64(1 << 60).expect("version 1");
        let (method, colour) = (Method::VenueCode, Colour::Green);
        (Scan { person, venue, at, method, direction, colour }, dwell(venue))
    }

    fn spans(scans: &[(Scan, Dwell)]) -> Vec<Option<(u32, u32, StayRule, bool)>> {
        let span = |stay: Stay| (stay.from, stay.until, stay.rule, stay.capped);
        dwelt(scans, HORIZON_S).into_iter().map(|stay| stay.map(span)).collect()
    }

    #[test]
    fn each_rule_gives_the_stay_that_it_names() {
        use Direction::{Entry, Exit};
        use StayRule::{ClassDefault, ExitOnly, ExitScan, NextScan};
        for (scans, expected) in [
            (vec![scan(2, 1_000, Entry)], vec![Some((1_000, 1_010, ClassDefault, false))]),
            (vec![scan(2, 1_000, Entry), scan(2, 1_025, Exit)], vec![Some((1_000, 1_025, ExitScan, false)), None]),
            (vec![scan(2, 1_000, Entry), scan(2, 1_031, Exit)], vec![Some((1_000, 1_030, ExitScan, true)), None]),
            (
                vec![scan(2, 1_000, Entry), scan(3, 1_005, Entry)],
                vec![Some((1_000, 1_005, NextScan, false)), Some((1_005, 1_045, ClassDefault, false))],
            ),
            (
                vec![scan(2, 1_000, Entry), scan(3, 1_080, Entry)],
                vec![Some((1_000, 1_030, NextScan, true)), Some((1_080, 1_120, ClassDefault, false))],
            ),
            // Just within the horizon, and beyond it.
            (vec![scan(3, 1_000, Entry), scan(3, 1_100, Exit)], vec![Some((1_000, 1_100, ExitScan, false)), None]),
            (
                vec![scan(2, 1_000, Entry), scan(2, 1_101, Exit)],
                vec![Some((1_000, 1_010, ClassDefault, false)), Some((1_091, 1_101, ExitOnly, false))],
            ),
            // Another scan in between.
            (
                vec![scan(2, 1_000, Entry), scan(3, 1_010, Entry), scan(2, 1_015, Exit)],
                vec![
                    Some((1_000, 1_010, NextScan, false)),
                    Some((1_010, 1_015, NextScan, false)),
                    Some((1_010, 1_015, ExitOnly, false)),
                ],
            ),
            (vec![scan(3, 20, Exit)], vec![Some((0, 20, ExitOnly, false))]),
        ] {
            assert_eq!(spans(&scans), expected);
        }
    }

    fn any_scans() -> impl Strategy<Value = Vec<(Scan, Dwell)>> {
        let direction = prop::sample::select(Direction::ALL);
        let one = (0u32..4, 1_000u32..1_600, direction).prop_map(|(venue, at, direction)| scan(venue, at, direction));
        prop::collection::vec(one, 0..40)
    }

    proptest! {
        #[test]
        fn stays_that_begin_with_an_entry_never_overlap_and_keep_to_their_class(scans in any_scans()) {
            let mut entered = Vec::new();
            for ((scan, dwell), stay) in scans.iter().zip(dwelt(&scans, HORIZON_S)) {
                let Some(stay) = stay else { continue };
                prop_assert!(stay.from <= stay.at && stay.at <= stay.until && stay.at == scan.at);
                prop_assert!(stay.until - stay.from <= dwell.longest_s);
                prop_assert!(!stay.capped || stay.until - stay.from == dwell.longest_s);
                if scan.direction == Direction::Entry {
                    entered.push((stay.from, stay.until));
                }
            }
            entered.sort_unstable();
            prop_assert!(entered.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{entered:?}");
        }

        #[test]
        fn every_exit_ends_a_stay_or_is_one(scans in any_scans()) {
            let stays = dwelt(&scans, HORIZON_S);
            let ended = stays.iter().flatten().filter(|stay| stay.rule == StayRule::ExitScan).count();
            prop_assert_eq!(stays.iter().filter(|stay| stay.is_none()).count(), ended);
        }

        /// A trace reads only a part of a person's scans.
        #[test]
        fn what_is_further_than_the_horizon_makes_no_difference(
            scans in any_scans(), from in 1_000u32..1_600, length in 0u32..300,
        ) {
            let until = from + length;
            let meeting = |scans: &[(Scan, Dwell)]| {
                let met = |stay: &Stay| stay.from <= until && stay.until >= from;
                let mut stays: Vec<Stay> = dwelt(scans, HORIZON_S).into_iter().flatten().filter(met).collect();
                stays.sort_unstable();
                stays
            };
            let near = |scan: &&(Scan, Dwell)| (from - HORIZON_S..=until + HORIZON_S).contains(&scan.0.at);
            let part: Vec<_> = scans.iter().filter(near).copied().collect();
            prop_assert_eq!(meeting(&part), meeting(&scans));
        }

        #[test]
        fn the_order_of_the_scans_makes_no_difference(scans in any_scans()) {
            let sorted = |scans: &[(Scan, Dwell)]| {
                let mut stays: Vec<Stay> = dwelt(scans, HORIZON_S).into_iter().flatten().collect();
                stays.sort_unstable();
                stays
            };
            let backwards: Vec<_> = scans.iter().rev().copied().collect();
            prop_assert_eq!(sorted(&backwards), sorted(&scans));
        }
    }

    #[test]
    fn every_category_of_every_city_has_the_dwell_time_of_its_class() {
        for name in CityProfile::built_in_names() {
            let city = CityProfile::try_built_in(name).expect("a profile");
            let dwells = Dwells::of(&city);
            for category in &city.categories {
                let class = city.class_of(&category.id).expect("a class");
                assert_eq!(dwells.at(&category.id).usual_s, u32::from(class.dwell_minutes) * 60, "{name}");
                assert!(dwells.at(&category.id).longest_s <= dwells.longest_s());
            }
            assert_eq!(
                dwells.at("no such category"),
                dwells.at(&city.categories.iter().find(|c| c.class == city.classes[0].id).expect("one").id)
            );
        }
    }
}
