use proptest::prelude::*;

use super::*;

const HORIZON_S: u32 = 100;

/// Venues of even number are left after 10 to 30 seconds, others after 40 to 100.
fn dwell(venue: VenueId) -> Dwell {
    if venue.is_multiple_of(2) { Dwell { usual_s: 10, longest_s: 30 } } else { Dwell { usual_s: 40, longest_s: 100 } }
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
