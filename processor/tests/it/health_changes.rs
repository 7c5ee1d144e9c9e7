//! Changes of health codes as rows: each once, whatever is repeated, killed or written again.

use std::time::Duration;

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
};
use schemas::{Colour, HealthEvent, events::Release};
use uuid::Uuid;

use crate::{
    fixture::{Fixture, NOON, health_event, until},
    process::Process,
};

/// What is stored, with the rows that are there twice as two lines: nothing is left to merges.
const BOOK: &str = "SELECT concat(toString(person_id - 1152921504606846976), ' ', toString(colour), ' ', \
         toString(since - 1654056000), ' ', issuer, ' ', evidence, ' ', reason, ' ', sent_by, ' ', released_by, ' ', \
         toString(proposal_id)) AS line FROM health_changes FINAL ORDER BY person_id, since, line";

fn line(event: &HealthEvent) -> String {
    let (by, proposal) =
        event.release.as_ref().map_or(("", Uuid::nil()), |release| (release.by.as_str(), release.proposal));
    let HealthEvent { colour, since, issuer, evidence, reason, sent_by, .. } = event;
    let (who, since) = (event.person.to_u64() - (1 << 60), since - NOON);
    let sent_by = sent_by.as_deref().unwrap_or_default();
    format!("{who} {colour} {since} {issuer} {evidence} {reason} {sent_by} {by} {proposal}")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_a_row_once_whenever_it_is_killed_and_whatever_is_repeated() {
    const ROUNDS: u64 = 5;
    let fixture = Fixture::new(2).await;
    let mut expected = Vec::new();
    for round in 1..=ROUNDS {
        let process = Process::start(&fixture, &[]);
        for who in [round * 10, round * 10 + 1] {
            let red = HealthEvent {
                sent_by: Some("maker".to_owned()),
                release: Some(Release { proposal: Uuid::from_u128(round.into()), by: "checker".to_owned() }),
                ..health_event(who, Colour::Red, NOON + 60)
            };
            let green = health_event(who, Colour::Green, NOON);
            // The older one comes last: it is written again with the change that counts in it.
            for event in [&red, &green, &red, &green] {
                fixture.health(event).await;
            }
            fixture.produce_bytes(&fixture.topics.health, "7", b"{}").await;
            expected.extend([line(&green), line(&red)]);
        }
        tokio::time::sleep(Duration::from_millis(150 * round)).await;
        process.kill();
    }
    let process = Process::start(&fixture, &[]);
    fixture.wait_for_lines(BOOK, &expected).await;
    fixture.settle().await;
    assert_eq!(fixture.lines(BOOK).await, expected);
    process.terminate();
    let letters = fixture.dead_letters();
    assert_eq!(letters.len() as u64, ROUNDS * 2, "one for each message that is no change: {letters:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_out_does_not_go_out_again() {
    let fixture = Fixture::new(1).await;
    let running = fixture.start().await;
    let first = health_event(1, Colour::Green, NOON);
    fixture.health(&first).await;
    fixture.wait_for_lines(BOOK, &[line(&first)]).await;
    running.stop().await;
    // Rows that are taken away would come back if the first message were taken for a new one.
    fixture.run("TRUNCATE TABLE health_changes").await;
    let running = fixture.start().await;
    let second = health_event(2, Colour::Red, NOON);
    fixture.health(&second).await;
    fixture.wait_for_lines(BOOK, &[line(&second)]).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_another_one_came_over_is_repeated() {
    let fixture = Fixture::new(1).await;
    let topic = &fixture.topics.health;
    let mut config = fixture.config.kafka.reader();
    config.set("group.id", format!("{topic}-done"));
    let notes: BaseConsumer = config.create().expect("a consumer");
    let of = |offset| {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, offset).expect("an offset");
        list
    };
    let noted = || {
        let committed = notes.committed_offsets(of(Offset::Invalid), Duration::from_secs(10)).expect("an answer");
        committed.find_partition(topic, 0).map(|entry| entry.offset())
    };
    let running = fixture.start().await;
    fixture.health(&health_event(1, Colour::Green, NOON)).await;
    until("it is noted", async || noted() == Some(Offset::Offset(1))).await;
    notes.commit(&of(Offset::Offset(0)), CommitMode::Sync).expect("committed");
    assert_eq!(noted(), Some(Offset::Offset(0)));
    until("it is noted again", async || noted() == Some(Offset::Offset(1))).await;
    running.stop().await;
}
