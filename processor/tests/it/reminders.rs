//! Reminders: whatever is killed or there twice, the same is open once, and what nobody settles by its day is escalated once.

use std::time::Duration;

use schemas::{
    ReminderEvent,
    events::{ReminderAction, ReminderMatter, ReminderOutcome, ReminderReply, Sending},
};
use uuid::Uuid;

use crate::{
    fixture::{Fixture, NOON, now_ms},
    process::Process,
};

const DISTRICT: u32 = 310_101;
const ORGANISATION: &str = "91310000MA1FL0000N";
const OTHER: &str = "91310000MA1FL0001R";
/// What was said of reminders, by venue: action, state, refusal, how often, and who settled it.
const BOOK: &str = "SELECT concat(toString(venue_id), ' ', action, ' ', state, ' ', refused, ' ', toString(times), ' ', settled_by) \
         AS line FROM reminders FINAL ORDER BY venue_id, revision";

fn id(request: u128) -> Uuid {
    ReminderEvent::derive_id(DISTRICT, "li", Uuid::from_u128(request))
}

async fn record(fixture: &Fixture, action: ReminderAction) {
    let event = ReminderEvent { v: 1, district: DISTRICT, at_ms: NOON * 1000, action };
    fixture.produce(&fixture.topics.reminders, &DISTRICT.to_string(), &event).await;
}

/// Reminds that nobody scans a venue's code, by a day of 2022 or by one that is to come.
async fn send(fixture: &Fixture, request: u128, venue: u32, is_over: bool) {
    let due_at = if is_over { NOON + 3600 } else { now_ms() / 1000 + 86_400 };
    let sending = Sending {
        reminder: id(request),
        by: "li".to_owned(),
        organisation: ORGANISATION.to_owned(),
        venue: Some(venue),
        matter: ReminderMatter::NoScans,
        due_at,
        note: None,
    };
    record(fixture, ReminderAction::Send(Box::new(sending))).await;
}

async fn answer(fixture: &Fixture, request: u128, command: u128, organisation: &str) {
    let (reminder, command, organisation) = (id(request), Uuid::from_u128(command), organisation.to_owned());
    let by = "wu".to_owned();
    let reply = ReminderReply::Mended;
    record(fixture, ReminderAction::Answer { reminder, command, by, organisation, reply, note: None }).await;
}

async fn settle(fixture: &Fixture, request: u128, command: u128, by: &str) {
    let (reminder, command, by) = (id(request), Uuid::from_u128(command), by.to_owned());
    record(fixture, ReminderAction::Settle { reminder, command, by, outcome: ReminderOutcome::NotMended, note: None })
        .await;
}

/// Everything that is said about one venue, twice where it may be, and what has to come of it.
async fn drive(fixture: &Fixture, venue: u32) -> Vec<String> {
    let number = u128::from(venue) * 100;
    for _ in 0..2 {
        send(fixture, number, venue, false).await;
    }
    send(fixture, number + 1, venue, false).await;
    for _ in 0..2 {
        answer(fixture, number, number + 2, ORGANISATION).await;
    }
    for (command, by) in [(3, "li"), (3, "li"), (4, "xu")] {
        settle(fixture, number, number + command, by).await;
    }
    send(fixture, number + 1, venue, false).await;
    // Sent again, and past its day: escalated whenever somebody looks.
    send(fixture, number + 5, venue, true).await;
    [
        "send sent  1 ",
        "send refused already_open 1 ",
        "answer answered  1 ",
        "settle settled  1 li",
        "settle settled already_settled 1 li",
        "send sent  2 ",
        "escalate sent  2 ",
    ]
    .map(|line| format!("{venue} {line}"))
    .to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_moment_it_is_killed_at_each_reminder_is_decided_and_escalated_once() {
    const ROUNDS: u32 = 4;
    let fixture = Fixture::new(2).await;
    let mut expected = Vec::new();
    for round in 1..=ROUNDS {
        let process = Process::start(&fixture, &[]);
        expected.extend(drive(&fixture, round).await);
        tokio::time::sleep(Duration::from_millis(300 * u64::from(round))).await;
        process.kill();
    }
    let process = Process::start(&fixture, &[]);
    fixture.wait_for_lines(BOOK, &expected).await;
    process.terminate();
    assert!(fixture.dead_letters().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn reminders_are_looked_after_by_two_processes_as_by_one() {
    let fixture = Fixture::new(2).await;
    let processes = [Process::start(&fixture, &[]), Process::start(&fixture, &[])];
    let mut expected = Vec::new();
    for venue in 1..=6 {
        expected.extend(drive(&fixture, venue).await);
    }
    fixture.wait_for_lines(BOOK, &expected).await;
    // Both look at the clock every second.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(fixture.lines(BOOK).await, expected);
    processes.into_iter().for_each(|process| {
        process.terminate();
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_settles_by_its_day_is_escalated_and_shown() {
    let fixture = Fixture::new(1).await;
    let process = Process::start(&fixture, &[]);
    send(&fixture, 1, 1, true).await;
    send(&fixture, 2, 2, false).await;
    fixture
        .wait_for_lines(BOOK, &["1 send sent  1 ", "1 escalate sent  1 ", "2 send sent  1 "].map(str::to_owned))
        .await;
    let open = |state| format!("processor_reminders_open{{state=\"{state}\",partition=\"0\"}}");
    process.wait_for(&open("escalated"), |count| count == 1.0).await;
    process.wait_for(&open("sent"), |count| count == 1.0).await;
    answer(&fixture, 2, 3, ORGANISATION).await;
    process.wait_for(&open("answered"), |count| count == 1.0).await;
    process.wait_for(&open("sent"), |count| count == 0.0).await;
    // An answer that comes late ends nothing.
    answer(&fixture, 1, 4, ORGANISATION).await;
    settle(&fixture, 2, 5, "li").await;
    process.wait_for(&open("answered"), |count| count == 0.0).await;
    process.wait_for(&open("escalated"), |count| count == 1.0).await;
    settle(&fixture, 1, 6, "li").await;
    process.wait_for(&open("escalated"), |count| count == 0.0).await;
    process.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_somebody_else_s_reminder_is_a_dead_letter_like_one_to_none() {
    let fixture = Fixture::new(1).await;
    let running = fixture.start().await;
    send(&fixture, 1, 1, false).await;
    answer(&fixture, 1, 2, OTHER).await;
    answer(&fixture, 9, 3, OTHER).await;
    answer(&fixture, 1, 4, ORGANISATION).await;
    fixture.wait_for_lines(BOOK, &["1 send sent  1 ", "1 answer answered  1 "].map(str::to_owned)).await;
    let letters = fixture.dead_letters();
    assert_eq!(letters.len(), 2, "{letters:?}");
    assert_eq!(letters[0].reason, letters[1].reason);
    assert!(letters[0].reason.starts_with("field `reminder`"), "{letters:?}");
    running.stop().await;
}
