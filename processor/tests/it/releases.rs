//! Releases: whatever is killed, what is asked for is released once and never by its asker; and the audit log is anchored.

use std::time::{Duration, Instant};

use rdkafka::Message;
use schemas::{
    ReleaseEvent,
    events::{Asking, AuditAnchor, CaseKind, Purpose, ReleaseAction},
};
use uuid::Uuid;

use crate::{
    fixture::{Fixture, NOON, PATIENCE, person},
    process::Process,
};

const NOW_MS: i64 = NOON * 1000;
/// What became of each release, as ClickHouse has it.
const BOOK: &str = "SELECT concat(case_number, ' ', action, ' ', state, ' ', refused, ' ', decided_by, ' ', \
         toString((persons, venues, from_s, to_s, hops, expires_at_ms))) AS line FROM releases FINAL \
         ORDER BY case_number, revision";

fn id(number: u128) -> Uuid {
    ReleaseEvent::derive_id(310_101, "asker", Uuid::from_u128(number))
}

async fn record(fixture: &Fixture, number: u128, action: ReleaseAction) {
    let event = ReleaseEvent { v: 1, release: id(number), at_ms: NOW_MS, action };
    fixture.produce(&fixture.topics.releases, &id(number).to_string(), &event).await;
}

async fn ask(fixture: &Fixture, number: u128) {
    let asking = Asking {
        by: "asker".to_owned(),
        case: format!("C-{number}"),
        case_kind: CaseKind::Confirmed,
        evidence: "E-1".to_owned(),
        purpose: Purpose::ContactTracing,
        persons: vec![person(7)],
        venues: vec![9],
        from: NOON - 3600,
        to: NOON,
        hops: 2,
        window_minutes: 30,
        expires_at_ms: NOW_MS + 1000,
        sealed_note: None,
    };
    record(fixture, number, ReleaseAction::Ask(Box::new(asking))).await;
}

async fn release(fixture: &Fixture, number: u128, command: u128, by: &str) {
    let (command, by) = (Uuid::from_u128(command), by.to_owned());
    record(fixture, number, ReleaseAction::Release { command, by, expires_at_ms: NOW_MS + 2000 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_moment_it_is_killed_at_a_release_is_given_once_and_never_by_its_asker() {
    const ROUNDS: u128 = 4;
    let fixture = Fixture::new(2).await;
    let mut expected = Vec::new();
    for round in 1..=ROUNDS {
        let process = Process::start(&fixture, &[]);
        ask(&fixture, round).await;
        ask(&fixture, round).await;
        release(&fixture, round, 1, "asker").await;
        release(&fixture, round, 2, "other").await;
        release(&fixture, round, 2, "other").await;
        release(&fixture, round, 3, "third").await;
        tokio::time::sleep(Duration::from_millis(120 * round as u64)).await;
        process.kill();
        let covers = |expires_at_ms| format!("([{}],[9],{},{NOON},2,{expires_at_ms})", person(7).to_u64(), NOON - 3600);
        let (asked, released) = (covers(NOW_MS + 1000), covers(NOW_MS + 2000));
        expected.extend([
            format!("C-{round} ask asked   {asked}"),
            format!("C-{round} release asked own_request  {asked}"),
            format!("C-{round} release released  other {released}"),
            format!("C-{round} release released already_decided other {released}"),
        ]);
    }
    let process = Process::start(&fixture, &[]);
    fixture.wait_for_lines(BOOK, &expected).await;
    process.terminate();
    assert!(fixture.dead_letters().is_empty());
}

fn anchors(fixture: &Fixture) -> Vec<AuditAnchor> {
    let mut anchors = Vec::new();
    fixture.read(&fixture.topics.audit_anchors, |message| {
        anchors.push(AuditAnchor::try_parse(message.payload().expect("a value")).expect("an anchor"));
    });
    anchors
}

#[tokio::test(flavor = "multi_thread")]
async fn how_far_each_chain_of_the_audit_log_is_is_told_to_kafka() {
    let fixture = Fixture::new(1).await;
    // Written while no processor ran, for longer than anybody would look back.
    service::migrate::migrate(&fixture.config.clickhouse).await.expect("the tables");
    let old = "INSERT INTO audit_log (chain, sequence, at_ms, hash) \
               SELECT '00000000-0000-0000-0000-000000000003', 1, toUnixTimestamp64Milli(now64(3)) - 172800000, 'hash-1'";
    fixture.run(old).await;
    let running = fixture.start().await;
    let append = async |chain: u128, sequence: u64| {
        let sql = format!(
            "INSERT INTO audit_log (chain, sequence, at_ms, hash) SELECT '{}', {sequence}, \
             toUnixTimestamp64Milli(now64(3)), 'hash-{sequence}'",
            Uuid::from_u128(chain)
        );
        fixture.run(&sql).await;
    };
    for (chain, sequence) in [(1, 1), (1, 2), (2, 1)] {
        append(chain, sequence).await;
    }
    let until = async |chain: u128, sequence: u64| {
        let started = Instant::now();
        let is_there = |anchor: &AuditAnchor| (anchor.chain, anchor.sequence) == (Uuid::from_u128(chain), sequence);
        while !anchors(&fixture).iter().any(is_there) {
            assert!(started.elapsed() < PATIENCE, "{chain} {sequence} is not anchored: {:?}", anchors(&fixture));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    until(1, 2).await;
    until(2, 1).await;
    until(3, 1).await;
    append(2, 2).await;
    until(2, 2).await;
    let all = anchors(&fixture);
    assert!(all.iter().all(|anchor| anchor.hash == format!("hash-{}", anchor.sequence)), "{all:?}");
    let mut said: Vec<_> = all.iter().map(|anchor| (anchor.chain, anchor.sequence)).collect();
    said.sort_unstable();
    said.dedup();
    assert_eq!(said.len(), all.len(), "what has not grown is not told again");
    running.stop().await;
}
