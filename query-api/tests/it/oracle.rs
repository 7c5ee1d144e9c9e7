//! Random cities: every answer is compared with one that plain Rust works out from the same scans.

use std::collections::{BTreeMap, BTreeSet};

use query_api::buckets::Step;
use rand::{Rng, SeedableRng, rngs::StdRng};
use schemas::{Colour, Direction, Method, ScanRow, Verdict};
use serde_json::{Value, json};

use crate::city::{Api, City, MIDNIGHT, at, person, range, scan};

const PERSONS: u64 = 25;
pub const VENUES: u32 = 12;
pub const SPAN_S: i64 = 10 * 86_400;
const OFFSET_S: i64 = 8 * 3_600;
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
        let mut buckets: BTreeMap<i64, (BTreeSet<_>, [u64; 4])> = BTreeMap::new();
        for row in self.within(from, to).filter(|row| counted(row)) {
            let local = row.scanned_at + OFFSET_S;
            let start = local - local % step.seconds() - OFFSET_S;
            let (persons, colours) = buckets.entry(start).or_default();
            persons.insert(row.person);
            colours[row.colour as usize] += 1;
        }
        let bucket = |(start, (persons, colours)): (i64, (BTreeSet<_>, [u64; 4]))| {
            let [unknown, green, yellow, red] = colours;
            json!({"start": at(start), "scans": colours.iter().sum::<u64>(), "persons": persons.len(),
                   "colours": {"green": green, "yellow": yellow, "red": red, "unknown": unknown}})
        };
        Value::Array(buckets.into_iter().map(bucket).collect())
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
            city.name(venue, &name, 1).await;
        }
    }

    for ranges in ["0", "120", "10000"] {
        let api = city.api_with(&["--max-window-ranges", ranges]).await;
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
        let time = format!("step={}&{}", step.as_str(), range(from, to));
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
        let answer = api.ok(&format!("/v1/footfall?scope=city&{time}")).await;
        assert_eq!(answer["buckets"], oracle.footfall(|_| true, from, to, *step), "seed {seed}");
        check_counts_by_hour(&api, &oracle, *step).await;
    }
}

/// Without people, over whole hours: from the kept counts.
async fn check_counts_by_hour(api: &Api, oracle: &Oracle, step: Step) {
    for (from, to) in [(-7_200, SPAN_S + 7_200), (3_600, 90_000), (SPAN_S * 2, SPAN_S * 2 + 3_600)] {
        let time = format!("step={}&people=false&{}", step.as_str(), range(from, to));
        let counts = |is_counted: &dyn Fn(&ScanRow) -> bool| {
            let mut buckets = oracle.footfall(is_counted, from, to, step);
            let buckets_of = buckets.as_array_mut().expect("a list");
            buckets_of.iter_mut().filter_map(Value::as_object_mut).for_each(|bucket| {
                bucket.remove("persons");
            });
            buckets
        };
        for (scope, expected) in [
            ("scope=city".to_owned(), counts(&|_| true)),
            ("scope=district&id=310104".to_owned(), counts(&|row| row.district == 310_104)),
            ("scope=category&id=retail".to_owned(), counts(&|row| row.category == "retail")),
            ("scope=venue&id=3".to_owned(), counts(&|row| row.venue == 3)),
        ] {
            let answer = api.ok(&format!("/v1/footfall?{scope}&{time}")).await;
            assert_eq!(answer["buckets"], expected, "{scope} {time}");
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
