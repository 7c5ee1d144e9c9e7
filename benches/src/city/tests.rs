//! What every simulated city must be: repeatable, in order, of the size asked for, and as uneven as a real one.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use schemas::{Colour, Direction, Document, TestResult};

use super::*;

fn plan(people: u32, venues: u32, scans: u64, days: u16, seed: u64) -> CityPlan {
    CityPlan { people, venues, scans, days, seed, until: 1_654_056_000, first_venue: 1, tag: "SIM-1".to_owned() }
}

fn city(plan: CityPlan) -> City {
    City::try_new(plan).expect("a valid plan")
}

#[test]
fn popularity_has_a_heavy_tail() {
    let city = city(plan(5_000, 1_000, 50_000, 7, 3));
    let mut counts: HashMap<VenueId, u64> = HashMap::new();
    for scan in city.scans() {
        *counts.entry(scan.venue).or_default() += 1;
    }
    let mut counts: Vec<u64> = counts.into_values().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let top: u64 = counts[..10].iter().sum();
    assert!(top > 50_000 / 10, "the top 1 % of the venues have more than 10 % of the scans: {top}");
    assert!(counts[0] > 20 * counts[counts.len() / 2], "the busiest one is far above the median");
    assert!(counts.len() > 700, "and most venues are entered at all: {}", counts.len());
}

#[test]
fn the_day_has_its_rhythm() {
    let city = city(plan(2_000, 200, 20_000, 7, 3));
    let mut hours = [0u64; 24];
    for scan in city.scans() {
        hours[rhythm::LocalTime::of(scan.at, 480).hour as usize] += 1;
    }
    assert!(hours[8] > 10 * hours[3], "{hours:?}");
    assert!(hours[18] > hours[21] && hours[21] > hours[1], "{hours:?}");
}

#[test]
fn categories_and_districts_are_those_of_shanghai() {
    let city = city(plan(10, 2_000, 10, 1, 1));
    let categories: HashSet<&str> = city.venues().iter().map(|v| v.category.as_str()).collect();
    let classes: HashSet<&str> = city.profile().groups.iter().map(|group| group.id.as_str()).collect();
    assert_eq!(categories, classes);
    let districts: HashSet<u32> = city.venues().iter().map(|v| v.district.code).collect();
    assert_eq!(districts.len(), SHANGHAI.len());
    assert!(districts.iter().all(|d| schemas::events::is_district(*d)));
}

#[test]
fn nearly_all_are_green_and_the_index_person_turns_red_before_the_end() {
    let city = city(plan(5_000, 100, 20_000, 7, 9));
    let green = (0..5_000).filter(|p| city.health(*p).colour == Colour::Green).count();
    let admissible = (0..5_000).filter(|p| city.health(*p).is_admissible(city.plan().until)).count();
    assert!((4_800..4_950).contains(&green), "{green}");
    assert!((4_100..4_600).contains(&admissible), "{admissible}");
    let index = city.index_person();
    assert_eq!(city.health(index).colour, Colour::Green);
    let late = city.late_change();
    assert_eq!((late.colour, late.test.map(|t| t.1)), (Colour::Red, Some(TestResult::Positive)));
    assert!(city.health(index).since < late.since && late.since < city.plan().until);
    assert!(city.scans().filter(|s| s.person == index).count() > 4, "the index person is out and about");
}

#[test]
fn documents_are_valid_and_differ_from_person_to_person() {
    let city = city(plan(300, 10, 300, 1, 1));
    let numbers: HashSet<String> = (0..300)
        .map(|p| {
            let (kind, number) = city.document(p);
            Document::try_new(kind, &number).expect("valid").number().to_owned()
        })
        .collect();
    assert_eq!(numbers.len(), 300);
}

#[test]
fn an_impossible_plan_is_told_why() {
    let refused = |plan: CityPlan| City::try_new(plan).err().map(|e| e.to_string()).unwrap_or_default();
    assert_eq!(refused(plan(0, 1, 1, 1, 1)), "the number of people must be at least 1");
    assert!(refused(plan(1, 1, 101, 1, 1)).ends_with("at most 100 are possible"));
    assert!(refused(CityPlan { tag: "a b".to_owned(), ..plan(1, 1, 1, 1, 1) }).contains("`a b`"));
    assert!(refused(CityPlan { first_venue: u32::MAX, ..plan(1, 1, 1, 1, 1) }).contains("32 bits"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn a_plan_gives_one_city_of_its_size_in_the_order_of_time(
        people in 1u32..300, venues in 1u32..60, days in 1u16..5, seed: u64, per_person in 0u64..12, until in 1_600_000_000i64..1_700_000_000,
    ) {
        let plan = CityPlan { until, ..plan(people, venues, per_person * u64::from(people), days, seed) };
        let city = city(plan.clone());
        let scans: Vec<Scan> = city.scans().collect();
        prop_assert_eq!(scans.len() as u64, plan.scans);
        prop_assert!(scans.is_sorted_by_key(|s| s.at));
        prop_assert!(scans.iter().all(|s| (city.start()..plan.until).contains(&s.at)));
        prop_assert!(scans.iter().all(|s| s.person < people && (1..=venues).contains(&s.venue)));
        let moments: HashSet<(u32, i64)> = scans.iter().map(|s| (s.person, s.at)).collect();
        prop_assert_eq!(moments.len(), scans.len(), "nobody is scanned twice in one second");
        // Whoever leaves a venue is in it.
        let mut inside: HashMap<u32, VenueId> = HashMap::new();
        for scan in &scans {
            match scan.direction {
                Direction::Entry => { inside.insert(scan.person, scan.venue); }
                Direction::Exit => prop_assert_eq!(inside.remove(&scan.person), Some(scan.venue)),
            }
        }
        let again: Vec<Scan> = City::try_new(plan).expect("valid").scans().collect();
        prop_assert_eq!(again, scans);
    }
}
