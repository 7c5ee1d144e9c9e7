//! The city that is asked about, and the rows that the processor would have stored of it.

use schemas::{Colour, Exemption, Reason, Reasons, ScanRow, TestResult, UnixSeconds, Verdict};
use uuid::Uuid;

use crate::city::{City, CityPlan, PersonHealth, Scan, mix};
use crate::tables;

/// Days of scans: as long as they are asked about at once.
pub(super) const DAYS: u16 = 14;
/// Scans of a person in these days: two a day.
const SCANS_PER_PERSON: u64 = 28;
/// People for each venue code, as of 25 million residents and 2 million codes.
const PEOPLE_PER_VENUE: u64 = 12;
/// Tests are good for 48 hours (S3), and people go that often.
const TESTED_EVERY_S: i64 = 48 * 3_600;
/// Partitions of `scans` that the rows would have come through.
const STREAMS: u64 = 4;

/// The plan of a city of so many scans: people and venues grow with them, so that a day is as busy in a small city as
/// in a large one.
pub(super) fn plan(rows: u64, seed: u64, until: UnixSeconds) -> CityPlan {
    let people = (rows / SCANS_PER_PERSON).clamp(100, 100_000_000);
    CityPlan {
        people: people as u32,
        venues: (people / PEOPLE_PER_VENUE).max(40) as u32,
        scans: rows,
        days: DAYS,
        seed,
        until,
        first_venue: 1,
        tag: format!("Q-{seed:X}"),
    }
}

/// Makes rows of scans, one after the other.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    city: &'a City,
    /// Of each person.
    health: Vec<Health>,
    /// The next offset of each stream.
    offsets: [u64; STREAMS as usize],
}

/// What a row says of a person's health.
#[derive(Debug, Clone, Copy)]
struct Health {
    colour: Colour,
    /// When one of the tests was sampled; 0 for those who take none.
    sampled: UnixSeconds,
}

impl<'a> Rows<'a> {
    /// Of a city; the first row is of its first scan.
    pub(super) fn new(city: &'a City) -> Self {
        let health = (0..city.plan().people).map(|number| Health::of(&city.health(number))).collect();
        Self { city, health, offsets: [0; STREAMS as usize] }
    }

    /// The next row: colour and test are those in force at the scan.
    pub(super) fn row(&mut self, scan: &Scan) -> ScanRow {
        let venue = &self.city.venues()[(scan.venue - self.city.plan().first_venue) as usize];
        let (person, health) = (tables::person(scan.person), self.health[scan.person as usize]);
        let (test_result, test_sampled_at) = match health.sampled {
            0 => (TestResult::None, 0),
            sampled => (TestResult::Negative, scan.at - (scan.at - sampled).rem_euclid(TESTED_EVERY_S)),
        };
        let is_home = venue.category == "residential_compound";
        let (verdict, reasons) = decided(health.colour, !is_home && test_result == TestResult::None);
        let stream = person.to_u64() % STREAMS;
        let kafka_offset = self.offsets[stream as usize];
        self.offsets[stream as usize] += 1;
        ScanRow {
            person,
            venue: scan.venue,
            scanned_at: scan.at,
            method: scan.method,
            direction: scan.direction,
            verdict,
            reasons,
            exemption: Exemption::None,
            colour_shown: health.colour,
            colour: health.colour,
            test_result,
            test_sampled_at,
            district: venue.district.code,
            category: venue.category.clone(),
            far_from_venue: false,
            event_id: identity(self.city.plan().seed, stream, kafka_offset),
            stream: stream as u32 + 1,
            kafka_offset,
        }
    }
}

impl Health {
    fn of(health: &PersonHealth) -> Self {
        Self { colour: health.colour, sampled: health.test.map_or(0, |(sampled, _)| sampled) }
    }
}

/// Green and tested people are admitted (S3).
fn decided(colour: Colour, lacks_test: bool) -> (Verdict, Reasons) {
    let reason = match colour {
        Colour::Green if lacks_test => Reason::TestMissing,
        Colour::Green => return (Verdict::Admit, Reasons::NONE),
        Colour::Yellow => Reason::ColourYellow,
        Colour::Red => Reason::ColourRed,
        Colour::Unknown => Reason::HealthUnknown,
    };
    (Verdict::Refuse, [reason].into_iter().collect())
}

/// As random as an identity that a client makes.
fn identity(seed: u64, stream: u64, offset: u64) -> Uuid {
    let halves = [mix(seed, 0x6576_656e_7400 + stream, offset), mix(seed, 0x6576_656e_7480 + stream, offset)];
    let [high, low] = halves.map(u64::to_be_bytes);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&high);
    bytes[8..].copy_from_slice(&low);
    Uuid::new_v8(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use proptest::prelude::*;

    use super::*;

    const UNTIL: UnixSeconds = 1_653_148_800;

    fn rows(city: &City) -> Vec<ScanRow> {
        let mut rows = Rows::new(city);
        city.scans().map(|scan| rows.row(&scan)).collect()
    }

    #[test]
    fn at_full_size_some_venue_has_more_than_100_000_scans_a_day() {
        const FULL: u64 = 100_000_000;
        const SAMPLE: u64 = 100_000;
        let full = plan(FULL, 1, UNTIL);
        let per_day = FULL / u64::from(full.days);
        // The same people and venues, of whose scans only some are made.
        let city = City::try_new(CityPlan { scans: SAMPLE, days: 7, ..full }).expect("a valid plan");
        let mut counts: HashMap<u32, u64> = HashMap::new();
        city.scans().for_each(|scan| *counts.entry(scan.venue).or_default() += 1);
        let busiest = counts.values().max().copied().unwrap_or(0) * per_day / SAMPLE;
        assert!(busiest > 100_000, "the busiest venue has {busiest} scans a day");
    }

    #[test]
    fn people_differ_as_much_as_venues() {
        let city = City::try_new(plan(60_000, 3, UNTIL)).expect("a valid plan");
        let rows = rows(&city);
        let ranked = |of: fn(&ScanRow) -> u64| {
            let mut counts: HashMap<u64, u64> = HashMap::new();
            rows.iter().for_each(|row| *counts.entry(of(row)).or_default() += 1);
            let mut counts: Vec<u64> = counts.into_values().collect();
            counts.sort_unstable_by(|a, b| b.cmp(a));
            counts
        };
        let (venues, people) = (ranked(|row| row.venue.into()), ranked(|row| row.person.to_u64()));
        assert!(venues[0] > 20 * venues[venues.len() / 2], "{} and {}", venues[0], venues[venues.len() / 2]);
        assert!(people[0] > 3 * people[people.len() / 2], "{} and {}", people[0], people[people.len() / 2]);
    }

    #[test]
    fn a_row_says_what_was_in_force_at_the_scan() {
        let city = City::try_new(plan(20_000, 4, UNTIL)).expect("a valid plan");
        let rows = rows(&city);
        for row in rows.iter().filter(|row| row.test_result != TestResult::None) {
            assert!((0..TESTED_EVERY_S).contains(&(row.scanned_at - row.test_sampled_at)), "{row:?}");
        }
        let of = |wanted: fn(&ScanRow) -> bool| rows.iter().filter(|row| wanted(row)).count();
        assert!(of(|row| row.verdict == Verdict::Admit) > rows.len() / 2);
        assert!(of(|row| row.verdict == Verdict::Refuse) > 0);
        assert!(rows.iter().all(|row| (row.verdict == Verdict::Refuse) != row.reasons.is_empty()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn the_same_seed_gives_the_same_rows_on_every_day_each_with_its_own_identity(
            count in 2_000u64..6_000, seed: u64,
        ) {
            let city = City::try_new(plan(count, seed, UNTIL)).expect("a valid plan");
            let first = rows(&city);
            prop_assert_eq!(first.len() as u64, count);
            prop_assert!(first.is_sorted_by_key(|row| row.scanned_at));
            let days: HashSet<i64> = first.iter().map(|row| (UNTIL - 1 - row.scanned_at).div_euclid(86_400)).collect();
            prop_assert_eq!(days, (0..i64::from(DAYS)).collect::<HashSet<_>>());
            let ids: HashSet<Uuid> = first.iter().map(|row| row.event_id).collect();
            let places: HashSet<(u32, u64)> = first.iter().map(|row| (row.stream, row.kafka_offset)).collect();
            prop_assert!(ids.len() == first.len() && places.len() == first.len());
            prop_assert_eq!(rows(&City::try_new(plan(count, seed, UNTIL)).expect("a valid plan")), first);
            let other = City::try_new(plan(count, seed.wrapping_add(1), UNTIL)).expect("a valid plan");
            prop_assert_ne!(rows(&other), rows(&city));
        }
    }
}
