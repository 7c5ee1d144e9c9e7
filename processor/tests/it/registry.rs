//! The registry: whatever is killed, late or there twice, each application is decided once, by the log alone.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use processor::{
    machine::{Machine, Record},
    registry::{FIRST_VENUE, Registry, rules::Rules},
};
use rdkafka::Message;
use schemas::{VenueEvent, VenueId, events::VenueStatus};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    fixture::{Fixture, PATIENCE},
    process::Process,
};

/// Credit codes of organisations that do not exist.
const ORGANISATIONS: [&str; 3] = ["91310000MA1FL0000N", "91310000MA1FL0001R", "91310000MA1FL0002W"];
/// The application that the nth command of [`commands`] sends.
fn id(number: u64) -> Uuid {
    Uuid::from_u128(u128::from(number) << 64 | 0x8000_8000_0000_0000_0000)
}

fn submission(place: u64) -> Value {
    json!({"type": "submit", "channel": "mobile", "applicant": "1123456789abcdef", "applicant_kind": "agent",
        "organisation_name": "茶业公司", "organisation_kind": "company", "kind": "place", "category": "catering",
        "name": "茶馆", "district": 310_101, "address": format!("福州路{place}号"), "sealed": "1.secret"})
}

async fn send(fixture: &Fixture, organisation: usize, command: Uuid, action: &Value) {
    let organisation = ORGANISATIONS[organisation];
    let at_ms = 1_654_056_000_000_i64;
    let event = json!({"v": 1, "command": command, "organisation": organisation, "at_ms": at_ms, "action": action});
    fixture.produce(&fixture.topics.applications, organisation, &event).await;
}

/// Commands of three organisations: more applications than the quota, duplicates, reviews both ways, commands sent twice.
async fn commands(fixture: &Fixture, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let organisation = (number % 3) as usize;
        send(fixture, organisation, id(number), &submission(number / 3 % 40)).await;
        if number % 4 < 3 {
            let rejected = if number % 4 == 2 { json!("vague_address") } else { Value::Null };
            let review = json!({"type": "review", "application": id(number), "rejected": rejected});
            send(fixture, organisation, id(1_000_000 + number), &review).await;
        }
        if number % 5 == 0 {
            send(fixture, organisation, id(number), &submission(number / 3 % 40)).await;
        }
    }
}

/// What must come of the log: its fold, without Kafka and ClickHouse.
struct Expected {
    venues: BTreeMap<VenueId, VenueEvent>,
    /// Application, revision, state and why it is so, of each command that was decided.
    states: Vec<String>,
}

fn expected(fixture: &Fixture) -> Expected {
    let city = schemas::CityProfile::try_built_in(&fixture.config.city).expect("a city");
    let partitions = fixture.config.kafka.partitions;
    let new = |partition: i32| {
        Registry::new(u8::try_from(partition).expect("few"), Rules::of(&city.application), "venues", None)
    };
    let mut registries: Vec<Registry> = (0..partitions).map(new).collect();
    let mut states = Vec::new();
    fixture.read(&fixture.topics.applications, |message| {
        let offset = u64::try_from(message.offset()).expect("an offset");
        let (key, value) = (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
        let registry = &mut registries[usize::try_from(message.partition()).expect("few")];
        let outputs = registry.apply(&Record { offset, sent_at_ms: 0, key, value }).unwrap_or_default();
        for row in outputs.rows {
            let row: Value = serde_json::from_slice(&row.json).expect("a row");
            let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
            let line =
                [text("application_id"), row["revision"].to_string(), text("state"), text("refused"), text("reason")];
            states.push(line.join(" "));
        }
    });
    states.sort();
    let venues = registries.iter().flat_map(Registry::venues).map(|venue| (venue.venue, venue)).collect();
    Expected { venues, states }
}

/// The last message about each venue of the registry: what compaction keeps.
fn directory(fixture: &Fixture) -> BTreeMap<VenueId, VenueEvent> {
    let mut last = BTreeMap::new();
    fixture.read(&fixture.topics.venues, |message| {
        let event = VenueEvent::try_parse(message.payload().unwrap_or_default()).expect("a venue");
        if event.venue >= FIRST_VENUE {
            last.insert(event.venue, event);
        }
    });
    last
}

async fn stored_states(fixture: &Fixture) -> Vec<String> {
    let sql = "SELECT concat(toString(application_id), ' ', toString(revision), ' ', state, ' ', refused, ' ', reason) AS line \
         FROM application_states FINAL ORDER BY line";
    fixture.lines(sql).await
}

/// Waits until what is stored and what the directory says is what the log comes to.
async fn settle(fixture: &Fixture) -> Expected {
    let expected = expected(fixture);
    let started = Instant::now();
    loop {
        let (states, venues) = (stored_states(fixture).await, directory(fixture));
        if states == expected.states && venues == expected.venues {
            return expected;
        }
        let counts = (states.len(), expected.states.len(), venues.len(), expected.venues.len());
        assert!(started.elapsed() < PATIENCE, "states and venues, each as it is and as it must be: {counts:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// No organisation has more codes than the quota of the channel, no place two, and no application two decisions.
async fn assert_rules_hold(fixture: &Fixture) {
    let newest = "FROM (SELECT * FROM application_states FINAL ORDER BY application_id, revision DESC LIMIT 1 BY application_id)";
    let quota =
        format!("SELECT max(c) FROM (SELECT count() AS c {newest} WHERE state = 'approved' GROUP BY organisation)");
    assert!(fixture.query_u64(&quota).await <= 20);
    let places = format!(
        "SELECT count() FROM (SELECT 1 {newest} WHERE state IN ('approved', 'submitted') \
         GROUP BY organisation, address HAVING count() > 1)"
    );
    assert_eq!(fixture.query_u64(&places).await, 0);
    let decisions = "SELECT count() FROM (SELECT 1 FROM application_states FINAL \
         WHERE refused = '' AND state IN ('approved', 'rejected') GROUP BY application_id HAVING count() > 1)";
    assert_eq!(fixture.query_u64(decisions).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_moment_it_is_killed_at_each_application_is_decided_once() {
    let fixture = Fixture::new(2).await;
    for round in 0..5 {
        let process = Process::start(&fixture, &[]);
        commands(&fixture, round * 40..(round + 1) * 40).await;
        tokio::time::sleep(Duration::from_millis(97 * round)).await;
        process.kill();
    }
    let process = Process::start(&fixture, &[]);
    let expected = settle(&fixture).await;
    assert_rules_hold(&fixture).await;
    let reason = |word: &str| expected.states.iter().filter(|state| state.ends_with(word)).count();
    assert!(reason(" quota") > 0 && reason(" duplicate") > 0 && reason(" vague_address") > 0, "all of it happens");
    assert!(expected.venues.len() >= 30, "{}", expected.venues.len());
    process.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_killed_between_its_messages_and_its_note_leaves_nothing_undone_and_nothing_twice() {
    let fixture = Fixture::new(1).await;
    fixture.run("ALTER TABLE application_states MODIFY SETTING table_readonly = 1").await;
    let process = Process::start(&fixture, &[]);
    commands(&fixture, 0..12).await;
    process.wait_for("processor_held_up{machine=\"registry\",partition=\"0\"}", |held_up| held_up > 0.0).await;
    let sent = directory(&fixture).len();
    assert!(sent > 0, "messages are out while rows are not");
    process.kill();
    assert!(stored_states(&fixture).await.is_empty());
    fixture.run("ALTER TABLE application_states RESET SETTING table_readonly").await;
    let process = Process::start(&fixture, &[]);
    let expected = settle(&fixture).await;
    assert!(expected.venues.len() >= sent);
    process.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_both_decide_everything_say_the_same() {
    let fixture = Fixture::new(2).await;
    let processes = [Process::start(&fixture, &[]), Process::start(&fixture, &[])];
    commands(&fixture, 0..90).await;
    settle(&fixture).await;
    assert_rules_hold(&fixture).await;
    processes.into_iter().for_each(|process| {
        process.terminate();
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_change_hands_while_applications_come() {
    let fixture = Fixture::new(2).await;
    let group = [("VENUECODE_HOLD", "group")];
    let first = Process::start(&fixture, &group);
    commands(&fixture, 0..30).await;
    let second = Process::start(&fixture, &group);
    commands(&fixture, 30..60).await;
    first.terminate();
    commands(&fixture, 60..90).await;
    settle(&fixture).await;
    assert_rules_hold(&fixture).await;
    second.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_decision_that_comes_late_neither_holds_nor_stays_last() {
    let fixture = Fixture::new(1).await;
    let running = fixture.start().await;
    send(&fixture, 0, id(1), &submission(1)).await;
    send(&fixture, 0, id(2), &json!({"type": "review", "application": id(1)})).await;
    let given = settle(&fixture).await.venues;
    let approved = given.values().next().expect("a venue").clone();
    send(&fixture, 0, id(3), &json!({"type": "revoke", "venue": approved.venue})).await;
    settle(&fixture).await;

    // What somebody who was paused before the revocation would send; then a restart that has only Kafka to go by.
    fixture.produce(&fixture.topics.venues, &approved.venue.to_string(), &approved).await;
    assert_eq!(settle(&fixture).await.venues[&approved.venue].status, VenueStatus::Revoked, "it is put right at once");
    running.stop().await;
    fixture.produce(&fixture.topics.venues, &approved.venue.to_string(), &approved).await;
    let running = fixture.start().await;
    assert_eq!(settle(&fixture).await.venues[&approved.venue].status, VenueStatus::Revoked, "and at the next start");
    let active = format!("SELECT count() FROM venues FINAL WHERE venue_id = {} AND active", approved.venue);
    assert_eq!(fixture.query_u64(&active).await, 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_cannot_be_decided_is_a_dead_letter_and_the_next_one_is_decided() {
    let fixture = Fixture::new(1).await;
    let running = fixture.start().await;
    fixture.produce_bytes(&fixture.topics.applications, ORGANISATIONS[0], b"nonsense").await;
    send(&fixture, 0, id(1), &json!({"type": "withdraw", "application": id(9)})).await;
    send(&fixture, 0, id(2), &submission(1)).await;
    settle(&fixture).await;
    running.stop().await;
    // Folded again from the start, they are complained of no second time.
    let running = fixture.start().await;
    send(&fixture, 0, id(3), &submission(2)).await;
    assert_eq!(settle(&fixture).await.states.len(), 2);
    running.stop().await;
    let reasons: Vec<_> = fixture.dead_letters().into_iter().map(|letter| letter.reason).collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons[1].starts_with("field `application`"), "{reasons:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_out_does_not_leave_again_at_the_next_start() {
    let fixture = Fixture::new(1).await;
    let sent = || {
        let mut count = 0;
        fixture.read(&fixture.topics.venues, |_| count += 1);
        count
    };
    let process = Process::start(&fixture, &[]);
    commands(&fixture, 0..30).await;
    settle(&fixture).await;
    process.terminate();
    let before = sent();
    let process = Process::start(&fixture, &[]);
    send(&fixture, 0, id(90), &submission(90)).await;
    send(&fixture, 0, id(91), &json!({"type": "review", "application": id(90)})).await;
    settle(&fixture).await;
    process.terminate();
    assert_eq!(sent(), before + 1, "only the new venue");
}
