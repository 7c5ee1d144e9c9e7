//! Feeds repeat and arrive out of order: what is stored does not depend on it, nor does what compaction leaves.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rdkafka::Message;
use schemas::{Colour, HealthEvent, PersonKey, ScanEvent, TestEvent, TestResult, events::Colouring};

use crate::fixture::{Fixture, NOON, PATIENCE, health_event, person, scan_event};

/// Minutes after noon at which people are scanned.
const SCANNED_AT: [i64; 6] = [-1, 0, 5, 10, 15, 20];

/// Six changes with ties of all kinds, in minutes after noon.
fn changes(who: u64) -> [HealthEvent; 6] {
    let change = |colour, since: i64, until: Option<i64>| HealthEvent {
        expires_at: until.map(|until| NOON + until * 60),
        ..health_event(who, colour, NOON + since * 60)
    };
    [
        change(Colour::Green, 0, None),
        change(Colour::Yellow, 5, None),
        change(Colour::Red, 5, Some(12)),
        change(Colour::Green, 5, None),
        change(Colour::Green, 15, Some(20)),
        change(Colour::Green, 15, Some(18)),
    ]
}

fn tests(who: u64) -> [TestEvent; 3] {
    let test = |result, minutes: i64| TestEvent {
        v: 1,
        person: person(who),
        sampled_at: NOON + minutes * 60,
        resulted_at: NOON + 3600,
        result,
        laboratory: "L1".to_owned(),
        sent_by: None,
        newest: None,
    };
    [test(TestResult::Negative, 0), test(TestResult::Positive, 10), test(TestResult::Negative, 10)]
}

/// Orders of six, with one repetition: each person's feed has its own.
fn order(who: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..6).chain([(who % 6) as usize]).collect();
    order.sort_by_key(|at| (who * 7 + *at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    order
}

/// The last message of each person on `health`: what compaction leaves.
fn last_health(fixture: &Fixture) -> BTreeMap<PersonKey, HealthEvent> {
    let mut last = BTreeMap::new();
    fixture.read(&fixture.topics.health, |message| {
        let event = HealthEvent::try_parse(message.payload().expect("a value")).expect("a change");
        assert_eq!(message.key(), Some(event.person.to_string().as_bytes()));
        last.insert(event.person, event);
    });
    last
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_order_nor_repetition_of_a_feed_changes_what_is_stored_or_what_compaction_leaves() {
    const PEOPLE: u64 = 40;
    let fixture = Fixture::new(2).await;
    for who in 1..=PEOPLE {
        let (changes, tests) = (changes(who), tests(who));
        for at in order(who) {
            fixture.health(&changes[at]).await;
            if let Some(test) = tests.get(at) {
                fixture.produce(&fixture.topics.tests, &test.person.to_string(), test).await;
            }
        }
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    let running = fixture.start().await;
    let scans: Vec<ScanEvent> =
        (1..=PEOPLE).flat_map(|who| SCANNED_AT.map(|at| scan_event(who, 1, NOON + at * 60))).collect();
    fixture.scans(&scans).await;
    fixture.wait_for_counts(scans.len() as u64).await;
    let sql = "SELECT toString(tuple(scanned_at - toDateTime(1654056000, 'UTC'), colour, test_result, \
         test_sampled_at - toDateTime(1654056000, 'UTC'), count())) AS line FROM scans_by_person \
         GROUP BY scanned_at, colour, test_result, test_sampled_at ORDER BY scanned_at, line";
    let lines = fixture.lines(sql).await;
    // Before noon; from noon green; from 12:05 red until 12:12; from 12:15 green until 12:20, the first second without.
    let expected = [
        "(-60,'unknown','none',-1654056000,40)",
        "(0,'green','negative',0,40)",
        "(300,'red','negative',0,40)",
        "(600,'red','positive',600,40)",
        "(900,'green','positive',600,40)",
        "(1200,'unknown','positive',600,40)",
    ];
    assert_eq!(lines, expected);

    let newest = Colouring { colour: Colour::Green, since: NOON + 900, expires_at: Some(NOON + 1200) };
    let started = Instant::now();
    while !last_health(&fixture).values().all(|event| event.counting() == newest) {
        assert!(started.elapsed() < PATIENCE, "an older change is the last one: {:?}", last_health(&fixture));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let count = last_health(&fixture).len();
    assert_eq!(count as u64, PEOPLE);
    running.stop().await;

    // Read whole once more, nothing is written again.
    let (end, running) = (ends(&fixture), fixture.start().await);
    fixture.settle().await;
    assert_eq!(ends(&fixture), end);
    running.stop().await;
}

/// How many messages the two topics hold.
fn ends(fixture: &Fixture) -> usize {
    let mut count = 0;
    for topic in [&fixture.topics.health, &fixture.topics.tests] {
        fixture.read(topic, |_| count += 1);
    }
    count
}
