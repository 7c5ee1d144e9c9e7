//! Random cities: every answer is compared with one that plain Rust works out from the same scans.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use query_api::buckets::Step;
use rand::{Rng, SeedableRng, rngs::StdRng};
use schemas::{Colour, Direction, Method, PersonKey, ScanRow, Verdict};
use serde_json::{Value, json};

use crate::{
    city::{Api, City, MIDNIGHT, ORGANISATION, at, person, range, scan},
    counts::buckets,
};

const PERSONS: u64 = 25;
pub const VENUES: u32 = 12;
pub const SPAN_S: i64 = 10 * 86_400;
/// Shanghai's `either_or_minutes` in seconds.
const EITHER_OR_S: i64 = 600;

pub fn pick<T: Copy>(random: &mut StdRng, all: &[T]) -> T {
    all[random.random_range(0..all.len())]
}

/// Scans in clusters, so that windows touch, overlap and end on the second.
pub fn scans(random: &mut StdRng) -> Vec<ScanRow> {
    let count = random.random_range(300..900);
    let hubs: Vec<(u32, i64)> =
        (0..40).map(|_| (random.random_range(0..VENUES), random.random_range(0..SPAN_S))).collect();
    let row = |_| {
        let (venue, hub) = pick(random, &hubs);
        let near = pick(random, &[0, 0, 60, 600, 1_800, 1_801, 3_600, 5_400]) * pick(random, &[-1, 1]);
        let mut row = scan(random.random_range(0..PERSONS), venue, hub + near + random.random_range(-3..=3));
        row.method = pick(random, Method::ALL);
        row.direction = pick(random, Direction::ALL);
        row.verdict = pick(random, Verdict::ALL);
        row.colour_shown = pick(random, Colour::ALL);
        row.colour = pick(random, Colour::ALL);
        row.district = [310_101, 310_104, 310_105][venue as usize % 3];
        row.category = ["retail", "catering"][venue as usize % 2].to_owned();
        row
    };
    let mut rows: Vec<ScanRow> = (0..count).map(row).collect();
    for (offset, row) in rows.iter_mut().enumerate() {
        row.kafka_offset = offset as u64;
    }
    rows
}

/// Of those that the directory has, every third is the organisation's now; all were at first.
fn is_owned(venue: u32) -> bool {
    venue_name(venue).is_some() && venue.is_multiple_of(3)
}

fn venue_name(venue: u32) -> Option<String> {
    (!venue.is_multiple_of(4)).then(|| format!("场所 {venue}"))
}

fn visit(row: &ScanRow) -> Value {
    json!({"venue": row.venue, "venue_name": venue_name(row.venue), "scanned_at": at(row.scanned_at),
           "method": row.method, "direction": row.direction, "verdict": row.verdict, "colour": row.colour, "flags": []})
}

pub struct Oracle {
    pub rows: Vec<ScanRow>,
}

impl Oracle {
    fn within(&self, from: i64, to: i64) -> impl Iterator<Item = &ScanRow> {
        self.rows.iter().filter(move |row| (from..to).contains(&(row.scanned_at - MIDNIGHT)))
    }

    /// Whether somebody was scanned by another method at the same point shortly before.
    pub fn is_repeat(&self, row: &ScanRow) -> bool {
        self.rows.iter().any(|other| {
            (other.person, other.venue, other.direction) == (row.person, row.venue, row.direction)
                && other.method != row.method
                && (other.scanned_at, other.method) < (row.scanned_at, row.method)
                && row.scanned_at - other.scanned_at <= EITHER_OR_S
        })
    }

    fn visits_of(&self, number: u64, from: i64, to: i64) -> Vec<&ScanRow> {
        let of_person = self.within(from, to).filter(|row| row.person == person(number));
        let mut rows: Vec<_> = of_person.filter(|row| !self.is_repeat(row)).collect();
        rows.sort_by_key(|row| (row.scanned_at, row.venue, row.kafka_offset));
        rows
    }

    fn visits(&self, number: u64, from: i64, to: i64) -> Value {
        let visits: Vec<_> = self.visits_of(number, from, to).into_iter().map(visit).collect();
        json!({"person": person(number), "visits": visits, "truncated": false})
    }

    fn visitors(&self, venue: u32, from: i64, to: i64) -> Value {
        let mut rows: Vec<_> = self.within(from, to).filter(|row| row.venue == venue).collect();
        rows.sort_by_key(|row| (row.scanned_at, row.person, row.kafka_offset));
        let visitor = |row: &&ScanRow| {
            json!({"person": row.person, "scanned_at": at(row.scanned_at), "method": row.method,
                   "direction": row.direction, "verdict": row.verdict, "colour": row.colour})
        };
        json!({"venue": venue, "visitors": rows.iter().map(visitor).collect::<Vec<_>>(), "truncated": false})
    }

    fn footfall(&self, counted: impl Fn(&ScanRow) -> bool, from: i64, to: i64, step: Step) -> Value {
        buckets(self.within(from, to).filter(|row| counted(row)), step, true)
    }

    /// Visits and contacts; encounters of the same two times may differ in method and colour alone, so they are
    /// compared as sorted texts.
    fn trace(&self, number: u64, from: i64, to: i64, minutes: i64) -> (Value, Vec<(Value, Vec<String>)>) {
        let visits = self.visits_of(number, from, to);
        let mut contacts: BTreeMap<String, (i64, Vec<String>)> = BTreeMap::new();
        for index in &visits {
            for row in self.rows.iter().filter(|row| row.person != person(number) && row.venue == index.venue) {
                let gap = (row.scanned_at - index.scanned_at).abs();
                if gap > minutes * 60 || self.is_repeat(row) {
                    continue;
                }
                let overlap = minutes * 60 - gap;
                let encounter = json!({
                    "venue": row.venue, "venue_name": venue_name(row.venue), "index_at": at(index.scanned_at),
                    "contact_at": at(row.scanned_at), "gap_minutes": gap as f64 / 60.0,
                    "overlap_minutes": overlap as f64 / 60.0, "method": row.method, "colour": row.colour,
                    "rule": "window", "source": person(number)
                });
                let contact = contacts.entry(row.person.to_string()).or_default();
                contact.0 += overlap;
                contact.1.push(read_back(&encounter).to_string());
            }
        }
        let mut contacts: Vec<_> = contacts.into_iter().collect();
        contacts.sort_by_key(|(who, (overlap, _))| (-overlap, who.clone()));
        let contact = |(who, (overlap, mut encounters)): (String, (i64, Vec<String>))| {
            encounters.sort();
            let head = json!({"person": who, "encounter_count": encounters.len(),
                              "overlap_minutes_total": overlap as f64 / 60.0});
            (read_back(&head), encounters)
        };
        (visits.into_iter().map(visit).collect(), contacts.into_iter().map(contact).collect())
    }
}

/// As it comes out of reading its own text, which for some fractions is the neighbouring number.
fn read_back(value: &Value) -> Value {
    serde_json::from_str(&value.to_string()).expect("JSON")
}

/// Without the number of the case, of which there is one.
fn visits_of(trace: &Value) -> Value {
    let mut visits = trace["visits"].clone();
    for visit in visits.as_array_mut().expect("a list") {
        assert_eq!(visit.as_object_mut().and_then(|visit| visit.remove("case")), Some(json!(0)));
    }
    visits
}

/// Without what `chains` looks at.
fn contacts_of(trace: &Value) -> Vec<(Value, Vec<String>)> {
    let contact = |contact: &Value| {
        let mut head = contact.clone();
        let head_fields = head.as_object_mut().expect("an object");
        let encounters = head_fields.remove("encounters").expect("encounters");
        head_fields.retain(|field, _| !["hop", "score", "exposed_at", "cases"].contains(&field.as_str()));
        let encounters = encounters.as_array().expect("a list");
        assert!(encounters.is_sorted_by_key(|encounter| encounter["index_at"].as_str().map(str::to_owned)));
        let mut encounters: Vec<_> = encounters.iter().map(Value::to_string).collect();
        encounters.sort();
        (head, encounters)
    };
    trace["contacts"].as_array().expect("a list").iter().map(contact).collect()
}

async fn check_traces(api: &Api, oracle: &Oracle, random: &mut StdRng) {
    for number in 0..PERSONS {
        let (from, to) = some_range(random);
        let minutes = pick(random, &[1, 30, 30, 60, 1_440]);
        let body = json!({"person": person(number), "from": at(MIDNIGHT + from), "to": at(MIDNIGHT + to),
                          "window_minutes": minutes});
        let trace = api.trace(body).await;
        let (visits, contacts) = oracle.trace(number, from, to, minutes);
        assert_eq!(visits_of(&trace), visits);
        assert_eq!(trace["contact_count"], contacts.len());
        assert_eq!(trace["truncated"], false);
        assert_eq!(contacts_of(&trace), contacts);
    }
}

fn some_range(random: &mut StdRng) -> (i64, i64) {
    let from = random.random_range(-7_200..SPAN_S);
    if random.random_ratio(1, 2) { (-7_200, SPAN_S + 7_200) } else { (from, from + random.random_range(1..SPAN_S)) }
}

async fn a_city_answers_as_the_oracle(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let oracle = Oracle { rows: scans(&mut random) };
    let city = City::new().await;
    for rows in oracle.rows.chunks(oracle.rows.len() / 3 + 1) {
        city.store(rows).await;
    }
    for venue in 0..VENUES {
        if let Some(name) = venue_name(venue) {
            city.own(venue, &name, ORGANISATION, 1).await;
            let organisation = if is_owned(venue) { ORGANISATION } else { "91310000MA1FL0001R" };
            city.own(venue, &name, organisation, 2).await;
        }
    }

    for ranges in ["0", "120", "10000"] {
        let api = city.api_with(&["--max-window-steps", ranges]).await;
        check_traces(&api, &oracle, &mut random).await;
    }
    let api = city.api().await;
    for number in 0..PERSONS {
        let (from, to) = some_range(&mut random);
        let path = format!("/v1/persons/{}/visits?{}", person(number), range(from, to));
        assert_eq!(api.ok(&path).await, oracle.visits(number, from, to), "seed {seed}");
    }
    for venue in 0..VENUES {
        let (from, to) = some_range(&mut random);
        let path = format!("/v1/venues/{venue}/visitors?{}", range(from, to));
        assert_eq!(api.ok(&path).await, oracle.visitors(venue, from, to), "seed {seed}");
    }
    for step in Step::ALL {
        let (from, to) = some_range(&mut random);
        let time = format!("people=true&step={}&{}", step.as_str(), range(from, to));
        for venue in 0..VENUES {
            let answer = api.ok(&format!("/v1/footfall?scope=venue&id={venue}&{time}")).await;
            assert_eq!(answer["buckets"], oracle.footfall(|row| row.venue == venue, from, to, *step), "seed {seed}");
        }
        for district in [310_101, 310_104, 310_105] {
            let answer = api.ok(&format!("/v1/footfall?scope=district&id={district}&{time}")).await;
            let expected = oracle.footfall(|row| row.district == district, from, to, *step);
            assert_eq!(answer["buckets"], expected, "seed {seed}");
        }
        for category in ["retail", "catering"] {
            let answer = api.ok(&format!("/v1/footfall?scope=category&id={category}&{time}")).await;
            let expected = oracle.footfall(|row| row.category == category, from, to, *step);
            assert_eq!(answer["buckets"], expected, "seed {seed}");
        }
        let answer = api.ok(&format!("/v1/footfall?scope=organisation&id={ORGANISATION}&{time}")).await;
        assert_eq!(answer["buckets"], oracle.footfall(|row| is_owned(row.venue), from, to, *step), "seed {seed}");
        let answer = api.ok(&format!("/v1/footfall?scope=city&{time}")).await;
        assert_eq!(answer["buckets"], oracle.footfall(|_| true, from, to, *step), "seed {seed}");
        check_kept_counts(&api, &oracle, *step).await;
    }
    check_top(&api, &oracle).await;
    check_occupancy(&api, &oracle).await;
}

/// From the kept counts: without people, over whole hours and over minutes that are no whole hours; and whole days with
/// people, which sketches tell exactly while they are few.
async fn check_kept_counts(api: &Api, oracle: &Oracle, step: Step) {
    let times =
        [(-7_200, SPAN_S + 7_200), (3_600, 90_000), (SPAN_S * 2, SPAN_S * 2 + 3_600), (60, 4_980), (-60, SPAN_S)];
    let days = [(-86_400, 3 * 86_400), (0, 86_400)];
    let questions = times.map(|(from, to)| (from, to, "false")).into_iter();
    let of_days = days.map(|(from, to)| (from, to, "estimate"));
    for (from, to, people) in questions.chain(of_days.into_iter().filter(|_| step == Step::Day)) {
        let time = format!("step={}&people={people}&{}", step.as_str(), range(from, to));
        let counts = |is_counted: &dyn Fn(&ScanRow) -> bool| {
            buckets(oracle.within(from, to).filter(|row| is_counted(row)), step, people == "estimate")
        };
        for (scope, expected) in [
            ("scope=city".to_owned(), counts(&|_| true)),
            ("scope=district&id=310104".to_owned(), counts(&|row| row.district == 310_104)),
            ("scope=category&id=retail".to_owned(), counts(&|row| row.category == "retail")),
            ("scope=venue&id=3".to_owned(), counts(&|row| row.venue == 3)),
            (format!("scope=organisation&id={ORGANISATION}"), counts(&|row| is_owned(row.venue))),
        ] {
            let answer = api.ok(&format!("/v1/footfall?{scope}&{time}")).await;
            assert_eq!(answer["buckets"], expected, "{scope} {time}");
            let is_estimate = people == "estimate" && (scope.contains("city") || scope.contains("district"));
            assert_eq!(answer["persons_estimated"].as_bool().unwrap_or(false), is_estimate, "{scope} {time}");
        }
    }
}

/// Where most went, by scans and by people, over times that are whole days and others.
async fn check_top(api: &Api, oracle: &Oracle) {
    for (from, to) in [(-86_400, 2 * 86_400), (0, 86_400), (1_000, 50_000)] {
        for (scope, district) in [("scope=city", None), ("scope=district&id=310104", Some(310_104))] {
            for by in ["scans", "people"] {
                let mut venues: BTreeMap<u32, (u64, BTreeSet<PersonKey>)> = BTreeMap::new();
                let of_scope = |row: &&ScanRow| district.is_none_or(|district| row.district == district);
                for row in oracle.within(from, to).filter(of_scope) {
                    let (scans, people) = venues.entry(row.venue).or_default();
                    *scans += 1;
                    people.insert(row.person);
                }
                let mut venues: Vec<_> =
                    venues.into_iter().map(|(venue, (n, people))| (venue, n, people.len())).collect();
                venues.sort_by_key(|(venue, scans, people)| {
                    (Reverse(if by == "people" { *people } else { 0 }), Reverse(*scans), *venue)
                });
                let expected = venues.into_iter().take(3).map(|(venue, scans, persons)| {
                    json!({"venue": venue, "venue_name": venue_name(venue), "scans": scans, "persons": persons})
                });
                let expected: Vec<_> = expected.collect();
                let path = format!("/v1/footfall/top?{scope}&by={by}&limit=3&{}", range(from, to));
                assert_eq!(api.ok(&path).await["venues"], json!(expected), "{path}");
            }
        }
    }
}

/// Who is inside: the last passage of each person at each venue since midnight.
async fn check_occupancy(api: &Api, oracle: &Oracle) {
    for venue in 0..VENUES {
        for until in [30_000, 86_399, 86_400, 100_000] {
            let midnight = until / 86_400 * 86_400;
            let passes = |row: &&ScanRow| row.verdict != Verdict::Refuse || row.direction == Direction::Exit;
            let mut last: BTreeMap<PersonKey, (i64, Direction)> = BTreeMap::new();
            for row in oracle.within(midnight, until + 1).filter(|row| row.venue == venue).filter(passes) {
                let known = last.entry(row.person).or_insert((row.scanned_at, row.direction));
                *known = (*known).max((row.scanned_at, row.direction));
            }
            let inside = last.values().filter(|(_, direction)| *direction == Direction::Entry).count();
            let of_week = |row: &&ScanRow| row.venue == venue && row.scanned_at <= MIDNIGHT + until;
            let exits_scanned = oracle.rows.iter().filter(of_week).any(|row| row.direction == Direction::Exit);
            let expected = exits_scanned.then_some(inside);
            let path = format!("/v1/occupancy?scope=venue&id={venue}&at={}", at(MIDNIGHT + until));
            assert_eq!(api.ok(&path).await["inside"], json!(expected), "{path}");
        }
    }
}

#[tokio::test]
async fn random_cities_answer_as_the_oracle_1() {
    a_city_answers_as_the_oracle(1).await;
}

#[tokio::test]
async fn random_cities_answer_as_the_oracle_2() {
    a_city_answers_as_the_oracle(2).await;
}

#[tokio::test]
async fn random_cities_answer_as_the_oracle_3() {
    a_city_answers_as_the_oracle(3).await;
}
