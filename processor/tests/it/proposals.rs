//! Bulk changes of health codes: whatever is killed, what was released is in force once, and nothing else is.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rdkafka::Message;
use schemas::{Colour, HealthEvent, ProposalEvent, events::ProposalAction};
use uuid::Uuid;

use crate::{
    fixture::{Fixture, NOON, health_event},
    process::Process,
};

const NOW_MS: i64 = NOON * 1000;
/// What became of each bulk change, as ClickHouse has it.
const BOOK: &str = "SELECT concat(toString(proposal_id), ' ', action, ' ', state, ' ', refused, ' ', released_by) AS line \
         FROM health_proposals FINAL ORDER BY toString(proposal_id), revision";

fn changes(proposal: u64) -> Vec<HealthEvent> {
    let change = |n| HealthEvent {
        sent_by: Some("maker".to_owned()),
        ..health_event(proposal * 1000 + n, Colour::Red, NOON - 60)
    };
    (0..50).map(change).collect()
}

fn id(proposal: u64) -> Uuid {
    Uuid::from_u128(u128::from(proposal))
}

async fn record(fixture: &Fixture, proposal: u64, action: ProposalAction) {
    let event = ProposalEvent { v: 1, proposal: id(proposal), at_ms: NOW_MS, action };
    fixture.produce(&fixture.topics.health_proposals, &id(proposal).to_string(), &event).await;
}

async fn propose(fixture: &Fixture, proposal: u64) {
    let all = changes(proposal);
    for (part, some) in (0..).zip(all.chunks(30)) {
        record(fixture, proposal, ProposalAction::Part { part, changes: some.to_vec() }).await;
    }
    let (digest, by) = (ProposalEvent::digest(&all), "maker".to_owned());
    record(fixture, proposal, ProposalAction::Propose { parts: 2, digest, expires_at_ms: NOW_MS + 1000, by }).await;
}

async fn release(fixture: &Fixture, proposal: u64, command: u128, by: &str) {
    let (digest, by) = (ProposalEvent::digest(&changes(proposal)), by.to_owned());
    record(fixture, proposal, ProposalAction::Release { command: Uuid::from_u128(command), digest, by }).await;
}

/// What the topic `health` says: each distinct message with how often it is there.
fn set(fixture: &Fixture) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    fixture.read(&fixture.topics.health, |message| {
        let event = HealthEvent::try_parse(message.payload().expect("a value")).expect("a change");
        assert_eq!(message.key(), Some(event.person.to_string().as_bytes()));
        *found.entry(String::from_utf8_lossy(message.payload().expect("a value")).into_owned()).or_default() += 1;
    });
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_moment_it_is_killed_at_a_bulk_change_is_released_once_and_never_by_its_maker() {
    const ROUNDS: u64 = 6;
    let fixture = Fixture::new(2).await;
    let mut expected = Vec::new();
    for round in 1..=ROUNDS {
        let process = Process::start(&fixture, &[]);
        propose(&fixture, round).await;
        release(&fixture, round, 1, "maker").await;
        if round % 2 == 0 {
            release(&fixture, round, 2, "checker").await;
            release(&fixture, round, 2, "checker").await;
            release(&fixture, round, 3, "third").await;
        }
        tokio::time::sleep(Duration::from_millis(120 * round)).await;
        process.kill();
        let mut said = vec!["propose proposed  ", "release proposed own_proposal "];
        if round % 2 == 0 {
            said.extend(["release released  checker", "release released already_released checker"]);
        }
        expected.extend(said.into_iter().map(|rest| format!("{} {rest}", id(round))));
    }
    let process = Process::start(&fixture, &[]);
    fixture.wait_for_lines(BOOK, &expected).await;
    process.terminate();

    let set = set(&fixture);
    let released: Vec<HealthEvent> =
        set.keys().map(|message| HealthEvent::try_parse(message.as_bytes()).expect("a change")).collect();
    let people: BTreeSet<_> = released.iter().map(|change| change.person).collect();
    let meant: BTreeSet<_> =
        (1..=ROUNDS).filter(|n| n % 2 == 0).flat_map(changes).map(|change| change.person).collect();
    assert_eq!(people, meant);
    assert_eq!(released.len(), meant.len(), "a message that is there twice is the same twice");
    for change in &released {
        let release = change.release.as_ref().expect("a release");
        assert_eq!((change.sent_by.as_deref(), release.by.as_str()), (Some("maker"), "checker"));
    }
    println!("{} changes are there {} times", released.len(), set.values().sum::<usize>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_of_nothing_is_a_dead_letter_and_the_next_one_counts() {
    let fixture = Fixture::new(1).await;
    let running = fixture.start().await;
    release(&fixture, 1, 1, "checker").await;
    propose(&fixture, 1).await;
    release(&fixture, 1, 2, "checker").await;
    let expected = ["propose proposed  ", "release released  checker"].map(|rest| format!("{} {rest}", id(1)));
    fixture.wait_for_lines(BOOK, &expected).await;
    let letters = fixture.dead_letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0].reason.starts_with("field `proposal`"), "{letters:?}");
    assert_eq!(set(&fixture).len(), 50);
    running.stop().await;
}
