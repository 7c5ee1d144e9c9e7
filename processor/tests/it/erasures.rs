//! Erasures: whatever is killed, a person of whom two accounts said so is gone from every table, and nothing that is read
//! again, late or there twice brings them back. What comes after counts.

use std::time::{Duration, Instant};

use rdkafka::{Message, Offset, TopicPartitionList, consumer::Consumer, producer::FutureRecord};
use schemas::{
    AlertEvent, Colour, ErasureEvent, IdentityEvent, PersonDigest, PlateKey, ScanEvent, Tail, TestEvent, TestResult,
    TripEvent,
    city::FormKind,
    events::{
        AlertKind, Declaration, ErasureAction, ErasureAsk, ErasureBasis, FreightScan, FreightStop, Raised, TripAction,
    },
    stores::{TABLES, TableErased},
};
use serde_json::{Value, json};
use service::TopicReader;
use uuid::Uuid;

use crate::{
    fixture::{Fixture, health_event, now_ms, person, scan_event},
    process::Process,
};

const PATIENCE: Duration = Duration::from_secs(60);
const HOUR_MS: i64 = 3_600_000;
/// Whose erasure is asked for, and who is left alone.
const ERASED: u64 = 7;
const OTHER: u64 = 8;

/// A message as it was sent.
struct Sent {
    topic: String,
    key: String,
    value: Vec<u8>,
    at_ms: i64,
}

async fn send(fixture: &Fixture, sent: &Sent, at_ms: i64) {
    let record = FutureRecord::to(&sent.topic).key(&sent.key).payload(&sent.value).timestamp(at_ms);
    fixture.producer.send(record, PATIENCE).await.expect("acknowledged");
}

/// Everything that can be said of a person, some time ago: two scans, of which one raises an alert; colour and test; a
/// registration; a lorry's trip and an entry without one; and what the processor makes of these itself.
fn life(fixture: &Fixture, who: u64, ago_ms: i64) -> Vec<Sent> {
    let (topics, at_ms) = (&fixture.topics, now_ms() - ago_ms);
    let (at, key) = (at_ms / 1000, person(who).to_string());
    let message = |topic: &str, key: &str, event: Value| Sent {
        topic: topic.to_owned(),
        key: key.to_owned(),
        value: event.to_string().into_bytes(),
        at_ms,
    };
    let vehicle = PlateKey::from_u64(2 << 60 | who).expect("valid");
    let freight = Some(FreightScan { vehicle, stop: FreightStop::Checkpoint });
    let scan = |venue, freight| ScanEvent { freight, accepted_at_ms: at_ms, ..scan_event(who, venue, at) };
    let test = TestEvent {
        v: 1,
        person: person(who),
        sampled_at: at - 60,
        resulted_at: at - 30,
        result: TestResult::Positive,
        laboratory: "x".to_owned(),
        sent_by: None,
        newest: None,
    };
    let identity = IdentityEvent {
        v: 1,
        person: person(who),
        form: FormKind::Venue,
        document: schemas::DocumentType::Passport,
        registered_at: at,
        guardian: None,
        tail: Tail::from_u16(7).expect("14 bits"),
        sealed: "1.a.b".to_owned(),
    };
    let declaration = Declaration {
        trip: TripEvent::trip_id(310_102, vehicle, person(who), Uuid::from_u128(1)),
        driver: person(who),
        checkpoint: None,
        destination: 2,
        district: 310_102,
        expected_return: None,
        expected_arrival: None,
        expected_leave: None,
        due_at: at + 600,
        symptoms: false,
        risk: false,
        sealed: "1.secret".to_owned(),
    };
    let declared = TripEvent { v: 1, vehicle, at_ms, action: TripAction::Declare(Box::new(declaration)) };
    let scans = [scan(1, freight), scan(3, None)];
    let raised = Raised {
        alert: AlertEvent::derive_id(310_103, scans[1].event_id, AlertKind::Symptoms),
        kind: AlertKind::Symptoms,
        source: scans[1].event_id,
        venue: 3,
        person: person(who),
        vehicle: None,
        scanned_at: at,
        method: None,
        verdict: None,
        colour: None,
        reasons: schemas::Reasons::NONE,
    };
    vec![
        message(&topics.health, &key, json!(health_event(who, Colour::Red, at - 60))),
        message(&topics.tests, &key, json!(test)),
        message(&topics.identities, &identity.key(), json!(identity)),
        message(&topics.trips, &vehicle.to_string(), json!(declared)),
        message(&topics.scans, &key, json!(scans[0])),
        message(&topics.scans, &key, json!(scans[1])),
        message(&topics.alerts, "310103", json!(AlertEvent::raise(310_103, at_ms, raised))),
    ]
}

fn id(number: u128) -> Uuid {
    ErasureEvent::derive_id(310_101, "asker", Uuid::from_u128(number))
}

async fn record(fixture: &Fixture, number: u128, action: ErasureAction) {
    let event = ErasureEvent { v: 1, erasure: id(number), at_ms: now_ms(), action };
    fixture.produce(&fixture.topics.erasures, &event.key(), &event).await;
}

async fn ask(fixture: &Fixture, number: u128, who: u64) {
    let ask = ErasureAsk {
        by: "asker".to_owned(),
        person: person(who),
        basis: ErasureBasis::ConsentWithdrawn,
        evidence: format!("R-{number}"),
        expires_at_ms: now_ms() + HOUR_MS,
    };
    record(fixture, number, ErasureAction::Ask(Box::new(ask))).await;
}

async fn confirm(fixture: &Fixture, number: u128, who: u64, by: &str) {
    let digests = vec![PersonDigest::of(person(who))];
    record(fixture, number, ErasureAction::Confirm { command: Uuid::now_v7(), by: by.to_owned(), digests }).await;
}

async fn lines(fixture: &Fixture, sql: &str) -> Vec<String> {
    fixture.config.clickhouse.query_client().query(sql).fetch_all().await.expect(sql)
}

/// How many rows of each table that a person is removed from are of that person.
async fn rows_of(fixture: &Fixture, who: u64) -> Vec<(&'static str, u64)> {
    let mut rows = Vec::new();
    for table in TABLES {
        let TableErased::Rows(person_rows) = table.erased else { continue };
        let sql = format!("SELECT count() FROM {} WHERE {}", table.name, person_rows.of);
        let query = fixture.config.clickhouse.unlogged_client().query(&sql);
        let count = query.param("person", person(who).to_u64()).param("before_ms", i64::MAX / 2000);
        rows.push((table.name, count.fetch_one().await.expect("counts")));
    }
    rows
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn until_in_every_table(fixture: &Fixture, who: u64) {
    until("not in every table", async || {
        let rows = rows_of(fixture, who).await;
        rows.iter().all(|(_, rows)| *rows > 0) && rows.iter().any(|(table, rows)| *table == "trips" && *rows > 1)
    })
    .await;
}

async fn until_done(fixture: &Fixture, number: u128) {
    let sql = format!("SELECT count() FROM erasures WHERE erasure_id = '{}' AND state = 'done'", id(number));
    until("an erasure is not done", async || fixture.query_u64(&sql).await > 0).await;
}

/// Everything in ClickHouse in which a person could be found, but for what is kept for good: every column of every table,
/// and what it was told to do.
async fn assert_nowhere(fixture: &Fixture, who: u64, event_ids: &[Uuid]) {
    let kept: Vec<_> = TABLES.iter().filter(|table| matches!(table.erased, TableErased::Kept(_))).collect();
    let (number, hex) = (person(who).to_u64().to_string(), person(who).to_string());
    let tables = lines(
        fixture,
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine != 'Null' \
        AND engine NOT LIKE '%View%'",
    )
    .await;
    assert!(tables.len() > 8, "{tables:?}");
    for table in tables.iter().filter(|table| !kept.iter().any(|kept| kept.name == table.as_str())) {
        for row in lines(fixture, &format!("SELECT toString(tuple(*)) AS line FROM {table}")).await {
            let names =
                row.contains(&number) || row.contains(&hex) || event_ids.iter().any(|id| row.contains(&id.to_string()));
            assert!(!names, "{table}: {row}");
        }
    }
    fixture.config.clickhouse.query_client().query("SYSTEM FLUSH LOGS query_log").execute().await.expect("flushed");
    let asked = lines(fixture, "SELECT query FROM system.query_log WHERE current_database = currentDatabase()").await;
    assert!(!asked.is_empty(), "there is no log to look at");
    let told = lines(fixture, "SELECT command FROM system.mutations WHERE database = currentDatabase()").await;
    for told in asked.into_iter().chain(told) {
        assert!(!told.contains(&number) && !told.contains(&hex), "{told}");
    }
}

/// The last message of each key of a compacted topic: whether it has a value.
fn newest(fixture: &Fixture, topic: &str) -> std::collections::BTreeMap<String, bool> {
    let partitions: Vec<_> = (0..fixture.config.kafka.partitions).map(|partition| (topic, partition)).collect();
    let mut newest = std::collections::BTreeMap::new();
    let mut reader = TopicReader::try_new(&fixture.config.kafka, &partitions).expect("reader");
    let read = reader.read_to_end(PATIENCE, |message| {
        let key = String::from_utf8(message.key().expect("a key").to_vec()).expect("text");
        newest.insert(key, message.payload().is_some());
    });
    read.expect("reads");
    newest
}

fn event_ids(life: &[Sent]) -> Vec<Uuid> {
    let scans = life.iter().filter_map(|sent| ScanEvent::try_parse(&sent.value).ok());
    scans.map(|scan| scan.event_id).collect()
}

/// Lets every machine read its log on from the beginning, as if nothing had ever left it.
fn forget_notes(fixture: &Fixture) {
    let topics = &fixture.topics;
    for topic in [&topics.alerts, &topics.trips, &topics.health, &topics.erasures] {
        let mut config = fixture.config.kafka.reader();
        config.set("group.id", format!("{topic}-done"));
        let consumer: rdkafka::consumer::BaseConsumer = config.create().expect("a consumer");
        let mut list = TopicPartitionList::new();
        let partitions = if *topic == topics.erasures { 1 } else { fixture.config.kafka.partitions };
        for partition in 0..partitions {
            list.add_partition_offset(topic, partition, Offset::Offset(0)).expect("an offset");
        }
        consumer.commit(&list, rdkafka::consumer::CommitMode::Sync).expect("committed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_person_is_gone_from_every_table_and_nothing_brings_them_back() {
    let fixture = Fixture::new(2).await;
    let lives = [ERASED, OTHER].map(|who| life(&fixture, who, HOUR_MS));
    let process = Process::start(&fixture, &[]);
    for sent in lives.iter().flatten() {
        send(&fixture, sent, sent.at_ms).await;
    }
    until_in_every_table(&fixture, ERASED).await;
    until_in_every_table(&fixture, OTHER).await;
    let others = rows_of(&fixture, OTHER).await;

    ask(&fixture, 1, ERASED).await;
    confirm(&fixture, 1, ERASED, "asker").await;
    until("refused", async || {
        fixture.query_u64("SELECT count() FROM erasures WHERE refused = 'own_request'").await > 0
    })
    .await;
    confirm(&fixture, 1, OTHER, "other").await;
    until("refused", async || {
        fixture.query_u64("SELECT count() FROM erasures WHERE refused = 'other_person'").await > 0
    })
    .await;
    assert!(rows_of(&fixture, ERASED).await.iter().all(|(_, rows)| *rows > 0), "on one account's word nothing goes");
    confirm(&fixture, 1, ERASED, "other").await;
    until_done(&fixture, 1).await;
    let gone = |rows: Vec<(&'static str, u64)>| assert!(rows.iter().all(|(_, rows)| *rows == 0), "{rows:?}");
    gone(rows_of(&fixture, ERASED).await);
    assert_nowhere(&fixture, ERASED, &event_ids(&lives[0])).await;
    // Alerts go on being escalated.
    let without_alerts = |rows: Vec<(&'static str, u64)>| rows.into_iter().filter(|(table, _)| *table != "alerts");
    let left: Vec<_> = without_alerts(rows_of(&fixture, OTHER).await).collect();
    assert_eq!(left, without_alerts(others).collect::<Vec<_>>(), "nobody else is");
    fixture.assert_exact(2).await;
    let told = "SELECT concat(toString(arraySort(removed_tables)), ' ', toString(arrayMin(removed_rows) > 0), ' ', \
        toString(has(remains_topics, 'scans'))) AS line FROM erasures FINAL WHERE state = 'done'";
    let tables = "['alerts','health_changes','scan_ids','scans_by_person','scans_by_venue','trips']";
    assert_eq!(lines(&fixture, told).await, [format!("{tables} 1 1")]);
    let (key, other) = (person(ERASED).to_string(), person(OTHER).to_string());
    for topic in [&fixture.topics.health, &fixture.topics.tests] {
        let newest = newest(&fixture, topic);
        assert_eq!((newest.get(&key), newest.get(&other)), (Some(&false), Some(&true)), "{topic}");
    }
    let identities = newest(&fixture, &fixture.topics.identities);
    assert_eq!(identities.get(&format!("{key}/venue")), Some(&false));
    assert_eq!(identities.get(&format!("{other}/venue")), Some(&true));

    // All of it once more, as a copy or a spool would bring it, and what was made before and comes late.
    for sent in &lives[0] {
        send(&fixture, sent, sent.at_ms).await;
    }
    let late = scan_event(ERASED, 4, now_ms() / 1000 - 1800);
    fixture.scan(&late).await;
    settle(&fixture).await;
    gone(rows_of(&fixture, ERASED).await);
    // Every log read again from its beginning.
    process.kill();
    forget_notes(&fixture);
    let process = Process::start(&fixture, &[]);
    let noted = format!("SELECT count() FROM erasures WHERE erasure_id = '{}'", id(1));
    until("the log of erasures is read again", async || fixture.query_u64(&noted).await > 3).await;
    settle(&fixture).await;
    assert_nowhere(&fixture, ERASED, &event_ids(&lives[0])).await;
    // What was decided is written down once more then, and asked for as well: the last record of each key names nobody.
    ask(&fixture, 1, ERASED).await;
    let named = || {
        let mut last = std::collections::BTreeMap::new();
        let erasures = (fixture.topics.erasures.as_str(), 0);
        let mut reader = TopicReader::try_new(&fixture.config.kafka, &[erasures]).expect("reader");
        let read = reader.read_to_end(PATIENCE, |message| {
            let text = String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned();
            last.insert(message.key().map(<[u8]>::to_vec), text);
        });
        read.expect("reads");
        last.values().filter(|text| text.contains(&person(ERASED).to_string())).count()
    };
    until("the log of erasures goes on naming the person", async || named() == 0).await;
    assert_eq!(
        lines(&fixture, "SELECT state AS line FROM erasures FINAL ORDER BY revision").await.last().map(String::as_str),
        Some("done")
    );

    // What comes after counts, as if nobody had known the person before.
    let fresh = scan_event(ERASED, 5, now_ms() / 1000 + 1);
    fixture.health(&health_event(ERASED, Colour::Green, now_ms() / 1000)).await;
    fixture.scan(&fresh).await;
    let colour =
        format!("SELECT toString(colour) AS line FROM scans_by_person WHERE person_id = {}", person(ERASED).to_u64());
    until("a later scan counts", async || lines(&fixture, &colour).await == ["green"]).await;
    until("a later colour counts", async || {
        rows_of(&fixture, ERASED).await.iter().any(|(table, rows)| *table == "health_changes" && *rows == 1)
    })
    .await;
    process.terminate();
    let letters: Vec<_> = fixture.dead_letters().into_iter().map(|letter| letter.reason).collect();
    assert!(letters.is_empty(), "{letters:?}");
}

/// Waits until what was sent to every log before is dealt with.
async fn settle(fixture: &Fixture) {
    let marker = 0xaaaa_0000 + u64::from(rand::random::<u16>());
    let at_ms = now_ms() - HOUR_MS;
    for sent in life(fixture, marker, now_ms() - at_ms) {
        send(fixture, &sent, sent.at_ms).await;
    }
    until_in_every_table(fixture, marker).await;
    fixture.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_moment_it_is_killed_at_a_confirmed_erasure_is_carried_out() {
    const ROUNDS: u64 = 5;
    let fixture = Fixture::new(2).await;
    let mut lives = Vec::new();
    for round in 1..=ROUNDS {
        let process = Process::start(&fixture, &[]);
        let life = life(&fixture, round * 100, HOUR_MS);
        for sent in &life {
            send(&fixture, sent, sent.at_ms).await;
        }
        // The first while everything is under way, the others when it is stored.
        if round > 1 {
            until_in_every_table(&fixture, round * 100).await;
        }
        ask(&fixture, round.into(), round * 100).await;
        confirm(&fixture, round.into(), round * 100, "other").await;
        tokio::time::sleep(Duration::from_millis(150 * round)).await;
        process.kill();
        lives.push(life);
    }
    let process = Process::start(&fixture, &[]);
    for round in 1..=ROUNDS {
        until_done(&fixture, round.into()).await;
    }
    settle(&fixture).await;
    for (round, life) in (1..).zip(&lives) {
        assert_nowhere(&fixture, round * 100, &event_ids(life)).await;
    }
    process.terminate();
    assert!(fixture.dead_letters().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_between_the_decision_and_its_end_is_kept() {
    let fixture = Fixture::new(2).await;
    let life = life(&fixture, ERASED, HOUR_MS);
    for sent in &life {
        send(&fixture, sent, sent.at_ms).await;
    }
    ask(&fixture, 1, ERASED).await;
    confirm(&fixture, 1, ERASED, "other").await;
    // No processor runs; the person comes back meanwhile.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let now = now_ms() / 1000;
    let identity = life.iter().find(|sent| sent.topic == fixture.topics.identities).expect("a registration");
    let mut again: Value = serde_json::from_slice(&identity.value).expect("JSON");
    again["registered_at"] = now.into();
    fixture.produce(&identity.topic, &identity.key, &again).await;
    fixture.health(&health_event(ERASED, Colour::Green, now)).await;
    fixture.scan(&scan_event(ERASED, 5, now)).await;
    let process = Process::start(&fixture, &[]);
    until_done(&fixture, 1).await;
    let seen = format!(
        "SELECT toString((venue_id, colour)) AS line FROM scans_by_person WHERE person_id = {}",
        person(ERASED).to_u64()
    );
    until("the later scan alone", async || lines(&fixture, &seen).await == ["(5,'green')"]).await;
    let key = person(ERASED).to_string();
    assert_eq!(newest(&fixture, &fixture.topics.identities).get(&identity.key), Some(&true));
    assert_eq!(newest(&fixture, &fixture.topics.health).get(&key), Some(&true));
    assert_eq!(newest(&fixture, &fixture.topics.tests).get(&key), Some(&false));
    process.terminate();
}
