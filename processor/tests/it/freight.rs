//! The freight loop: whatever is killed, late or there twice, each trip is closed once and each alert raised once.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use processor::{
    freight::FreightLoop,
    machine::{Machine, Record},
};
use rdkafka::Message;
use schemas::{
    AlertEvent, CityProfile, Colour, PlateKey, Retention, ScanEvent, TripEvent, Verdict,
    events::{AlertKind, Declaration, FreightScan, FreightStop, TripAction},
};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    fixture::{Fixture, PATIENCE, person, scan_event},
    process::Process,
};

const CHECKPOINT: u32 = 1;
const DESTINATION: u32 = 2;
/// District of the destination, as the fixture numbers them.
const DISTRICT: u32 = 310_102;

fn now() -> i64 {
    now_ms() / 1000
}

fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_millis()).expect("before the year 292 million")
}

fn vehicle(number: u64) -> PlateKey {
    PlateKey::from_u64(2 << 60 | number).expect("valid")
}

fn trip(number: u64) -> Uuid {
    TripEvent::trip_id(DISTRICT, vehicle(number), person(number), Uuid::from_u128(1))
}

async fn send(fixture: &Fixture, event: &TripEvent) {
    fixture.produce(&fixture.topics.trips, &event.vehicle.to_string(), event).await;
}

/// Declares the trip of a lorry two hours ago; due so many seconds from now.
async fn declare(fixture: &Fixture, number: u64, due_in_s: i64) {
    let declaration = Declaration {
        trip: trip(number),
        driver: person(number),
        checkpoint: Some(CHECKPOINT),
        destination: DESTINATION,
        district: DISTRICT,
        expected_return: None,
        expected_arrival: None,
        expected_leave: None,
        due_at: now() + due_in_s,
        symptoms: false,
        risk: false,
        sealed: "1.secret".to_owned(),
    };
    let (vehicle, at_ms) = (vehicle(number), now_ms() - 7_200_000);
    send(fixture, &TripEvent { v: 1, vehicle, at_ms, action: TripAction::Declare(Box::new(declaration)) }).await;
}

/// The scan of a lorry's driver so many seconds ago.
fn scan(number: u64, venue: u32, ago_s: i64) -> ScanEvent {
    let stop = if venue == DESTINATION { FreightStop::Destination } else { FreightStop::Checkpoint };
    let freight = Some(FreightScan { vehicle: vehicle(number), stop });
    ScanEvent { freight, ..scan_event(number, venue, now() - ago_s) }
}

/// What is stored: trip, revision, step, state and whether it is overdue, of each row.
async fn stored(fixture: &Fixture) -> Vec<String> {
    let sql = "SELECT concat(toString(trip_id), ' ', toString(revision), ' ', step, ' ', state, ' ', toString(overdue)) AS line \
         FROM trips FINAL ORDER BY line";
    fixture.lines(sql).await
}

/// What must be stored: the fold of the log, without Kafka and ClickHouse.
fn expected(fixture: &Fixture) -> Vec<String> {
    let partitions = fixture.config.kafka.partitions;
    let retention = Retention::of(&CityProfile::try_built_in(&fixture.config.city).expect("a city"));
    let mut loops: Vec<_> = (0..partitions).map(|_| FreightLoop::new("trips", "alerts", retention)).collect();
    let mut rows = Vec::new();
    fixture.read(&fixture.topics.trips, |message| {
        let offset = u64::try_from(message.offset()).expect("an offset");
        let (key, value) = (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
        let freight = &mut loops[usize::try_from(message.partition()).expect("few")];
        let outputs = freight.apply(&Record { offset, sent_at_ms: 0, key, value }).unwrap_or_default();
        for row in outputs.rows {
            let row: Value = serde_json::from_slice(&row.json).expect("a row");
            let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
            let (revision, overdue) = (row["revision"].to_string(), row["overdue"].to_string());
            rows.push([text("trip_id"), revision, text("step"), text("state"), overdue].join(" "));
        }
    });
    rows.sort();
    rows
}

/// Waits until so many trips and alerts are there and the rows are what the log comes to.
async fn settle(fixture: &Fixture, last_steps: &[(&str, u64)], alerts: &BTreeSet<Uuid>) -> Vec<String> {
    let started = Instant::now();
    loop {
        let (stored, raised) = (stored(fixture).await, raised(fixture).await);
        let count = |step: &str| stored.iter().filter(|line| line.contains(&format!(" {step} "))).count() as u64;
        let has_all = last_steps.iter().all(|(step, expected)| count(step) == *expected);
        if has_all && stored == expected(fixture) && raised.iter().collect::<BTreeSet<_>>() == alerts.iter().collect() {
            assert_eq!(raised.len(), alerts.len(), "an alert was raised twice");
            return stored;
        }
        let steps: Vec<_> = last_steps.iter().map(|(step, _)| (*step, count(step))).collect();
        assert!(
            started.elapsed() < PATIENCE,
            "{steps:?} of {last_steps:?}, {} of {} alerts",
            raised.len(),
            alerts.len()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Each record of an alert that raised it.
async fn raised(fixture: &Fixture) -> Vec<Uuid> {
    let sql = "SELECT toString(alert_id) FROM alerts FINAL WHERE action = 'raised' ORDER BY alert_id, revision";
    fixture.lines(sql).await.iter().map(|id| id.parse().expect("an identity")).collect()
}

fn overdue_alert(number: u64) -> Uuid {
    AlertEvent::derive_id(DISTRICT, trip(number), AlertKind::OverdueTrip)
}

fn undeclared_alert(scan: &ScanEvent) -> Uuid {
    AlertEvent::derive_id(310_100 + scan.venue, scan.event_id, AlertKind::UndeclaredTrip)
}

/// Four ways of a lorry: closed; entered and overdue; without a trip; at its destination without a checkpoint.
async fn drive(fixture: &Fixture, lorries: std::ops::Range<u64>, alerts: &mut BTreeSet<Uuid>) {
    for number in lorries {
        let mut scans = Vec::new();
        match number % 4 {
            0 => {
                declare(fixture, number, 3600).await;
                scans.extend([scan(number, CHECKPOINT, 900), scan(number, DESTINATION, 300)]);
            }
            1 => {
                declare(fixture, number, -60).await;
                scans.push(scan(number, CHECKPOINT, 900));
                alerts.insert(overdue_alert(number));
            }
            2 => {
                scans.push(scan(number, CHECKPOINT, 900));
                alerts.insert(undeclared_alert(&scans[0]));
            }
            _ => {
                declare(fixture, number, 3600).await;
                scans.push(scan(number, DESTINATION, 300));
            }
        }
        // As clients do whose answer got lost.
        scans.extend_from_within(..1);
        fixture.scans(&scans).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_moment_it_is_killed_at_each_trip_is_closed_once_and_each_alert_raised_once() {
    let (fixture, mut alerts) = (Fixture::new(2).await, BTreeSet::new());
    for round in 0..5 {
        let process = Process::start(&fixture, &[]);
        drive(&fixture, round * 16..(round + 1) * 16, &mut alerts).await;
        tokio::time::sleep(Duration::from_millis(130 * round)).await;
        process.kill();
    }
    let process = Process::start(&fixture, &[]);
    let steps = [("closed", 20), ("overdue", 20), ("undeclared", 20), ("not_entered", 20)];
    settle(&fixture, &steps, &alerts).await;
    process.terminate();
    let closed_twice =
        "SELECT count() FROM (SELECT 1 FROM trips FINAL WHERE step = 'closed' GROUP BY trip_id HAVING count() > 1)";
    assert_eq!(fixture.query_u64(closed_twice).await, 0);
    assert_eq!(alerts.len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_killed_between_its_alerts_and_its_note_leaves_nothing_undone_and_nothing_twice() {
    let (fixture, mut alerts) = (Fixture::new(1).await, BTreeSet::new());
    fixture.run("ALTER TABLE trips MODIFY SETTING table_readonly = 1").await;
    let process = Process::start(&fixture, &[]);
    drive(&fixture, 0..8, &mut alerts).await;
    process.wait_for("processor_held_up{machine=\"freight\",partition=\"0\"}", |held_up| held_up > 0.0).await;
    process.kill();
    assert!(stored(&fixture).await.is_empty());
    fixture.run("ALTER TABLE trips RESET SETTING table_readonly").await;
    let process = Process::start(&fixture, &[]);
    settle(&fixture, &[("closed", 2), ("overdue", 2), ("undeclared", 2)], &alerts).await;
    process.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_both_watch_every_lorry_say_the_same() {
    let (fixture, mut alerts) = (Fixture::new(2).await, BTreeSet::new());
    let processes = [Process::start(&fixture, &[]), Process::start(&fixture, &[])];
    drive(&fixture, 0..32, &mut alerts).await;
    settle(&fixture, &[("closed", 8), ("overdue", 8), ("undeclared", 8)], &alerts).await;
    processes.into_iter().for_each(|process| {
        process.terminate();
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn scans_that_come_in_another_order_close_the_trip_all_the_same() {
    let fixture = Fixture::new(1).await;
    let running = fixture.start().await;
    declare(&fixture, 0, 3600).await;
    fixture.scan(&scan(0, DESTINATION, 300)).await;
    let nothing = BTreeSet::new();
    settle(&fixture, &[("declared", 2), ("not_entered", 1)], &nothing).await;
    // The checkpoint had been offline.
    fixture.scan(&scan(0, CHECKPOINT, 900)).await;
    let rows = settle(&fixture, &[("closed", 1)], &nothing).await;
    assert!(rows.iter().any(|row| row.ends_with(" closed closed false")), "{rows:?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abnormal_scan_at_a_checkpoint_is_told_with_its_lorry() {
    let fixture = Fixture::new(1).await;
    let running = fixture.start().await;
    declare(&fixture, 0, 3600).await;
    let reasons = [schemas::Reason::ColourRed].into_iter().collect();
    let red = ScanEvent { verdict: Verdict::Refuse, colour: Colour::Red, reasons, ..scan(0, CHECKPOINT, 900) };
    fixture.scan(&red).await;
    let alert = AlertEvent::derive_id(310_101, red.event_id, AlertKind::AbnormalColour);
    settle(&fixture, &[("declared", 2), ("held", 1)], &BTreeSet::from([alert])).await;
    let sql = format!("SELECT count() FROM alerts WHERE vehicle_id = {} AND colour = 'red'", vehicle(0).to_u64());
    assert_eq!(fixture.query_u64(&sql).await, 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_is_a_dead_letter_and_the_next_one_counts() {
    let fixture = Fixture::new(1).await;
    let running = fixture.start().await;
    fixture.produce_bytes(&fixture.topics.trips, &vehicle(0).to_string(), b"nonsense").await;
    declare(&fixture, 0, 3600).await;
    settle(&fixture, &[("declared", 1)], &BTreeSet::new()).await;
    running.stop().await;
    let letters = fixture.dead_letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0].reason, "not a message of this topic");
}
