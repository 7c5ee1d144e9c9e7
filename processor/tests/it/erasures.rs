//! Erasures: whatever is killed, a person of whom two accounts said so is gone from every table, and nothing that is read
//! again, late or there twice brings them back. What comes after counts.

mod found;
mod life;

use std::time::Duration;

use rdkafka::{Message, Offset, TopicPartitionList, consumer::Consumer};
use schemas::{
    Colour, ErasureEvent, PersonDigest,
    events::{ErasureAction, ErasureAsk, ErasureBasis},
};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    fixture::{Fixture, health_event, now_ms, person, scan_event, until},
    process::Process,
};
use found::{assert_nowhere, newest, rows_of, until_in_every_table};
use life::{event_ids, life, send};

const HOUR_MS: i64 = 3_600_000;
/// Whose erasure is asked for, and who is left alone.
const ERASED: u64 = 7;
const OTHER: u64 = 8;

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

async fn until_done(fixture: &Fixture, number: u128) {
    let sql = format!("SELECT count() FROM erasures WHERE erasure_id = '{}' AND state = 'done'", id(number));
    until("an erasure is not done", async || fixture.query_u64(&sql).await > 0).await;
}

/// Lets every machine read its log on from the beginning, as if nothing had ever left it.
fn forget_notes(fixture: &Fixture) {
    let topics = &fixture.topics;
    for topic in [&topics.alerts, &topics.trips, &topics.health, &topics.identities, &topics.erasures] {
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
    // Alerts go on being escalated, and trips become overdue.
    let settled = |rows: &[(&'static str, u64)]| -> Vec<_> {
        rows.iter().filter(|(table, _)| !["alerts", "trips"].contains(table)).copied().collect()
    };
    let left = rows_of(&fixture, OTHER).await;
    assert!(left.iter().all(|(_, rows)| *rows > 0), "{left:?}");
    assert_eq!(settled(&left), settled(&others), "nobody else is");
    fixture.assert_exact(2).await;
    let told = "SELECT concat(toString(arraySort(removed_tables)), ' ', toString(arrayMin(removed_rows) > 0), ' ', \
        toString(has(remains_topics, 'scans'))) AS line FROM erasures FINAL WHERE state = 'done'";
    let tables = "['alerts','health_changes','identities','scan_ids','scans_by_person','scans_by_venue','trips']";
    assert_eq!(fixture.lines(told).await, [format!("{tables} 1 1")]);
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
        fixture.read(&fixture.topics.erasures, |message| {
            let text = String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned();
            last.insert(message.key().map(<[u8]>::to_vec), text);
        });
        last.values().filter(|text| text.contains(&person(ERASED).to_string())).count()
    };
    until("the log of erasures goes on naming the person", async || named() == 0).await;
    assert_eq!(
        fixture.lines("SELECT state AS line FROM erasures FINAL ORDER BY revision").await.last().map(String::as_str),
        Some("done")
    );

    // What comes after counts, as if nobody had known the person before.
    let fresh = scan_event(ERASED, 5, now_ms() / 1000 + 1);
    fixture.health(&health_event(ERASED, Colour::Green, now_ms() / 1000)).await;
    fixture.scan(&fresh).await;
    let colour =
        format!("SELECT toString(colour) AS line FROM scans_by_person WHERE person_id = {}", person(ERASED).to_u64());
    until("a later scan counts", async || fixture.lines(&colour).await == ["green"]).await;
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
    until("the later scan alone", async || fixture.lines(&seen).await == ["(5,'green')"]).await;
    let key = person(ERASED).to_string();
    assert_eq!(newest(&fixture, &fixture.topics.identities).get(&identity.key), Some(&true));
    assert_eq!(newest(&fixture, &fixture.topics.health).get(&key), Some(&true));
    assert_eq!(newest(&fixture, &fixture.topics.tests).get(&key), Some(&false));
    process.terminate();
}
