//! Traces over several hops, by both dwell rules, from several cases: on random cities, in every way of asking ClickHouse.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use benches::oracle::chains::{Case, Chains, Passage, Reached, StayRule, Weights};
use benches::query::Trace;
use benches::verify;
use rand::{Rng, SeedableRng, rngs::StdRng};
use schemas::{CityProfile, Direction, Method, ScanRow};
use serde_json::{Value, json};

use crate::city::{Api, City, MIDNIGHT, at, person};
use crate::oracle::{Oracle, SPAN_S, VENUES, pick, scans};

/// Of three classes of Shanghai.
const CATEGORIES: [&str; 3] = ["retail", "hotel", "transport"];
/// So many that not everybody has met everybody.
const PEOPLE: u64 = 70;
const QUESTIONS: usize = 16;
/// Every way of asking: short steps, whole venues, and chunks down to one window and two people.
const STRATEGIES: [&[&str]; 4] = [
    &[],
    &["--max-window-steps", "0", "--max-query-people", "3"],
    &["--max-window-steps", "10000", "--max-query-windows", "7"],
    &["--max-window-steps", "40", "--max-query-windows", "1", "--max-query-people", "2"],
];

struct Question {
    body: Value,
    cases: Vec<Case>,
    range: (i64, i64),
    rule: StayRule,
    hops: u8,
    weights: Weights,
}

fn question(random: &mut StdRng, horizon_s: i64) -> Question {
    let from = MIDNIGHT + random.random_range(-7_200..SPAN_S);
    let to = from + random.random_range(3_600..3 * 86_400);
    let (mut cases, mut persons, mut venues) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..pick(random, &[0, 1, 1, 2, 4]) {
        let number = random.random_range(0..PEOPLE);
        if !persons.contains(&person(number)) {
            persons.push(person(number));
            cases.push(Case::Person(person(number).to_u64()));
        }
    }
    let of_venues = if cases.is_empty() { 1 } else { pick(random, &[0, 0, 1]) };
    for _ in 0..of_venues {
        let venue = random.random_range(0..VENUES);
        let since = random.random_range(from..to);
        let until = random.random_range(since + 1..=to);
        venues.push(json!({"venue": venue, "from": at(since), "to": at(until)}));
        cases.push(Case::Venue(venue, since..until));
    }
    let (hops, halving, percent) =
        (random.random_range(1..=3), pick(random, &[5, 15, 60]), pick(random, &[30, 50, 100]));
    let mut body = json!({"persons": persons, "venues": venues, "from": at(from), "to": at(to), "hops": hops,
                          "halving_minutes": halving, "hop_percent": percent});
    let rule = match random.random_ratio(1, 2) {
        true => {
            let minutes = pick(random, &[1, 10, 30, 60]);
            body["window_minutes"] = json!(minutes);
            StayRule::Window(minutes * 60)
        }
        false => {
            body["rule"] = json!("dwell");
            StayRule::Dwell { horizon_s }
        }
    };
    let weights = Weights { halving_s: halving as f64 * 60.0, hop: f64::from(percent) / 100.0 };
    Question { body, cases, range: (from, to), rule, hops, weights }
}

fn passages(oracle: &Oracle, city: &CityProfile) -> Vec<Passage> {
    let visits = oracle.rows.iter().filter(|row| !oracle.is_repeat(row));
    let passage = |row: &ScanRow| {
        let class = city.class_of(&row.category).expect("a class");
        Passage {
            person: row.person.to_u64(),
            at: row.scanned_at,
            venue: row.venue,
            is_exit: row.direction == Direction::Exit,
            usual_s: i64::from(class.dwell_minutes) * 60,
            longest_s: i64::from(class.dwell_cap_minutes) * 60,
        }
    };
    visits.map(passage).collect()
}

/// The answer without what hangs on when it was given.
async fn answer(api: &Api, body: &Value) -> Value {
    let mut answer = api.trace(body.clone()).await;
    answer["coverage"]["kept_from"].take();
    answer
}

fn check(question: &Question, answer: &Value, passages: &[Passage]) -> BTreeMap<u64, Reached> {
    let chains = Chains::new(passages.iter().copied(), question.rule);
    let range = question.range.0..question.range.1;
    let expected = chains.reached(&question.cases, &range, question.hops, question.weights);
    let trace: Trace = serde_json::from_value(answer.clone()).expect("an answer");
    if let Err(difference) = verify::chains(&trace, &expected) {
        panic!("{difference}: {}", question.body);
    }
    let shared: BTreeMap<_, _> =
        trace.shared.venues.iter().map(|v| (v.venue, v.cases.iter().copied().collect())).collect();
    assert_eq!(shared, chains.shared_venues(&question.cases, &range), "{}", question.body);
    let reached_by_several = expected.values().filter(|reached| reached.exposed.len() > 1).count();
    assert_eq!(trace.shared.contacts.len(), reached_by_several, "{}", question.body);
    check_venues(answer["venues"].as_array().expect("a list"), &expected);
    expected
}

fn check_venues(venues: &[Value], expected: &BTreeMap<u64, Reached>) {
    let mut there: BTreeMap<u64, (i64, BTreeSet<u64>, u64)> = BTreeMap::new();
    for (person, reached) in expected {
        for meeting in &reached.meetings {
            let (overlap_s, people, encounters) = there.entry(meeting.venue.into()).or_default();
            *overlap_s += meeting.overlap_s;
            people.insert(*person);
            *encounters += 1;
        }
    }
    let mut ranked = Vec::new();
    for venue in venues {
        let number = venue["venue"].as_u64().expect("a number");
        let (overlap_s, people, encounters) = there.remove(&number).unwrap_or_default();
        assert_eq!((&venue["contacts"], &venue["encounters"]), (&json!(people.len()), &json!(encounters)), "{venue}");
        let minutes = venue["overlap_minutes"].as_f64().expect("minutes");
        assert!((minutes * 60.0 - overlap_s as f64).abs() < 0.01, "{venue} {overlap_s}");
        ranked.push((Reverse((overlap_s, people.len())), number));
    }
    assert_eq!(there, BTreeMap::new(), "no venue is missing");
    assert!(ranked.is_sorted(), "{ranked:?}");
}

/// Scans of three classes of venues, some of them by a second method shortly after (S3).
fn rows(random: &mut StdRng) -> Vec<ScanRow> {
    let mut rows = scans(random);
    for row in &mut rows {
        row.person = person(random.random_range(0..PEOPLE));
        row.category = CATEGORIES[row.venue as usize % CATEGORIES.len()].to_owned();
    }
    for number in 0..rows.len() / 3 {
        let scanned_at = rows[number].scanned_at + random.random_range(0..900);
        let (method, kafka_offset) = (pick(random, Method::ALL), rows.len() as u64);
        rows.push(ScanRow { scanned_at, method, kafka_offset, ..rows[number].clone() });
    }
    rows
}

async fn a_city_is_traced_as_the_oracle_says(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let oracle = Oracle { rows: rows(&mut random) };
    let city = City::new().await;
    city.store(&oracle.rows).await;
    let profile = CityProfile::try_built_in("shanghai").expect("a profile");
    let horizon_s = profile.classes.iter().map(|class| i64::from(class.dwell_cap_minutes) * 60).max().expect("a class");
    let passages = passages(&oracle, &profile);
    let questions: Vec<Question> = (0..QUESTIONS).map(|_| question(&mut random, horizon_s)).collect();

    let mut answers = Vec::new();
    let mut by_hop = BTreeMap::new();
    let api = city.api_with(STRATEGIES[0]).await;
    for question in &questions {
        let answer = answer(&api, &question.body).await;
        for reached in check(question, &answer, &passages).values() {
            *by_hop.entry(reached.hop).or_insert(0) += 1;
        }
        answers.push(answer);
    }
    assert!(by_hop.len() == 3, "no question leads over three hops: {by_hop:?}");
    for strategy in &STRATEGIES[1..] {
        let api = city.api_with(strategy).await;
        for (question, expected) in questions.iter().zip(&answers) {
            assert_eq!(answer(&api, &question.body).await, *expected, "{strategy:?} {}", question.body);
        }
    }
}

#[tokio::test]
async fn random_cities_are_traced_as_the_oracle_says_1() {
    a_city_is_traced_as_the_oracle_says(11).await;
}

#[tokio::test]
async fn random_cities_are_traced_as_the_oracle_says_2() {
    a_city_is_traced_as_the_oracle_says(12).await;
}
