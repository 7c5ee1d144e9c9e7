//! Alerts: whatever is killed, late or there twice, each abnormal scan is in the book of its district once.

use std::{collections::BTreeSet, time::Duration};

use rdkafka::Message;
use schemas::{
    AlertEvent, Colour, Reason, ScanEvent, Verdict,
    events::{AlertAction, AlertKind, Disposition},
};
use uuid::Uuid;

use crate::{
    fixture::{Fixture, NOON, health_event, scan_event},
    process::Process,
};

/// What was said of alerts: identity, action, state and refusal of each record that counted.
const BOOK: &str = "SELECT concat(toString(alert_id), ' ', action, ' ', state, ' ', refused) AS line FROM alerts FINAL \
         ORDER BY toString(alert_id), revision";

/// The scan of a person who was refused for a red code.
fn red_scan(who: u64, venue: u32, at: i64) -> ScanEvent {
    let reasons = [Reason::ColourRed].into_iter().collect();
    ScanEvent { verdict: Verdict::Refuse, colour: Colour::Red, reasons, ..scan_event(who, venue, at) }
}

/// The alert of a scan at a venue of the fixture.
fn alert_of(scan: &ScanEvent) -> Uuid {
    AlertEvent::derive_id(310_100 + scan.venue, scan.event_id, AlertKind::AbnormalColour)
}

fn said(alert: Uuid, rest: &str) -> String {
    format!("{alert} {rest}")
}

async fn command(fixture: &Fixture, alert: Uuid, action: AlertAction) {
    let district = AlertEvent::district_of(alert).expect("an alert");
    let event = AlertEvent { v: 1, district, at_ms: 1_654_056_000_000, action };
    fixture.produce(&fixture.topics.alerts, &district.to_string(), &event).await;
}

fn acknowledge(alert: Uuid, command: u128, by: &str) -> AlertAction {
    AlertAction::Acknowledge { alert, command: Uuid::from_u128(command), by: by.to_owned() }
}

/// How many times each abnormal scan was raised on the topic.
fn raised_on_kafka(fixture: &Fixture) -> (usize, usize) {
    let (mut distinct, mut count) = (BTreeSet::new(), 0);
    fixture.read(&fixture.topics.alerts, |message| {
        let event = AlertEvent::try_parse(message.payload().expect("a value")).expect("a record");
        if let AlertAction::Raised(raised) = event.action {
            distinct.insert(raised.alert);
            count += 1;
        }
    });
    (distinct.len(), count)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_moment_it_is_killed_at_each_abnormal_scan_is_raised_once() {
    let fixture = Fixture::new(2).await;
    let mut expected = BTreeSet::new();
    for round in 0..5u64 {
        let process = Process::start(&fixture, &[]);
        let scans = (0..60).map(|n| {
            let (who, venue, at) = (round * 60 + n, 1 + (n % 9) as u32, NOON + (round * 60 + n) as i64);
            if n % 3 == 0 { red_scan(who, venue, at) } else { scan_event(who, venue, at) }
        });
        let mut scans: Vec<ScanEvent> = scans.collect();
        expected.extend(scans.iter().filter(|scan| scan.verdict == Verdict::Refuse).map(alert_of));
        // Some are sent again, as clients do.
        scans.extend_from_within(..10);
        fixture.scans(&scans).await;
        tokio::time::sleep(Duration::from_millis(130 * round)).await;
        process.kill();
    }
    let process = Process::start(&fixture, &[]);
    let expected: Vec<String> = expected.into_iter().map(|alert| said(alert, "raised raised ")).collect();
    assert_eq!(expected.len(), 100);
    fixture.wait_for_lines(BOOK, &expected).await;
    process.terminate();
    let (distinct, count) = raised_on_kafka(&fixture);
    assert_eq!(distinct, expected.len());
    println!("{distinct} alerts were raised {count} times");
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_handled_by_two_processes_as_by_one() {
    let fixture = Fixture::new(2).await;
    let processes = [Process::start(&fixture, &[]), Process::start(&fixture, &[])];
    let scans: Vec<ScanEvent> = (0..40).map(|n| red_scan(n, 1 + (n % 9) as u32, NOON + n as i64)).collect();
    fixture.scans(&scans).await;
    let mut alerts: Vec<Uuid> = scans.iter().map(alert_of).collect();
    alerts.sort();
    let raised: Vec<String> = alerts.iter().map(|alert| said(*alert, "raised raised ")).collect();
    fixture.wait_for_lines(BOOK, &raised).await;
    for (number, alert) in (0..).zip(&alerts) {
        command(&fixture, *alert, acknowledge(*alert, number, "li")).await;
        command(&fixture, *alert, acknowledge(*alert, number, "li")).await;
        command(&fixture, *alert, acknowledge(*alert, 1000 + number, "wu")).await;
    }
    let handled = |alert: &Uuid| {
        ["raised raised ", "acknowledge acknowledged ", "acknowledge acknowledged already_acknowledged"]
            .map(|rest| said(*alert, rest))
    };
    fixture.wait_for_lines(BOOK, &alerts.iter().flat_map(handled).collect::<Vec<_>>()).await;
    let by = fixture.lines("SELECT DISTINCT acknowledged_by FROM alerts FINAL WHERE action = 'acknowledge'").await;
    assert_eq!(by, ["li"], "who came first stays");
    processes.into_iter().for_each(|process| {
        process.terminate();
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_that_came_late_is_judged_as_of_the_scan() {
    let fixture = Fixture::new(1).await;
    fixture.health(&health_event(1, Colour::Yellow, NOON - 3600)).await;
    fixture.health(&health_event(2, Colour::Green, NOON - 3600)).await;
    let running = fixture.start().await;
    let late = |who| ScanEvent { verdict: Verdict::Recorded, colour: Colour::Unknown, ..scan_event(who, 1, NOON) };
    fixture.scans(&[late(1), late(2), late(3)]).await;
    fixture.wait_for_lines(BOOK, &[said(alert_of(&late(1)), "raised raised ")]).await;
    let row = "SELECT concat(kind, ' ', colour, ' ', verdict, ' ', toString(district), ' ', toString(scanned_at)) AS line FROM alerts";
    assert_eq!(fixture.lines(row).await, ["abnormal_colour yellow recorded 310101 2022-06-01 04:00:00"]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_does_not_wait_for_the_scan_to_be_stored() {
    let fixture = Fixture::new(1).await;
    fixture.run("ALTER TABLE scans_by_venue MODIFY SETTING table_readonly = 1").await;
    let running = fixture.start().await;
    let scan = red_scan(1, 2, NOON);
    fixture.scan(&scan).await;
    fixture.wait_for_lines(BOOK, &[said(alert_of(&scan), "raised raised ")]).await;
    assert_eq!(fixture.query_u64("SELECT count() FROM scans_by_venue").await, 0);
    fixture.run("ALTER TABLE scans_by_venue RESET SETTING table_readonly").await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_acknowledges_is_escalated_and_shown_by_age() {
    let fixture = Fixture::new(1).await;
    let old = |who| {
        let scan = red_scan(who, 1, NOON);
        ScanEvent { accepted_at_ms: scan.accepted_at_ms - 61_000, ..scan }
    };
    let process = Process::start(&fixture, &[("VENUECODE_ESCALATE_MINUTES", "1")]);
    fixture.scans(&[old(1), red_scan(2, 1, NOON)]).await;
    let mut expected = [
        said(alert_of(&old(1)), "raised raised "),
        said(alert_of(&old(1)), "escalate raised "),
        said(alert_of(&old(2)), "raised raised "),
    ];
    expected.sort_by_key(|line| line[..36].to_owned());
    fixture.wait_for_lines(BOOK, &expected).await;
    let open = |state| format!("processor_alerts_open{{state=\"{state}\",age=\"under_5_minutes\",partition=\"0\"}}");
    process.wait_for(&open("escalated"), |count| count == 1.0).await;
    process.wait_for(&open("raised"), |count| count == 1.0).await;
    command(&fixture, alert_of(&old(1)), acknowledge(alert_of(&old(1)), 1, "li")).await;
    process.wait_for(&open("acknowledged"), |count| count == 1.0).await;
    process.wait_for(&open("escalated"), |count| count == 0.0).await;
    process.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_about_no_alert_is_a_dead_letter_and_the_next_one_is_carried_out() {
    let fixture = Fixture::new(1).await;
    let running = fixture.start().await;
    let (scan, unknown) = (red_scan(1, 1, NOON), AlertEvent::derive_id(310_101, Uuid::nil(), AlertKind::Symptoms));
    fixture.scan(&scan).await;
    let alert = alert_of(&scan);
    fixture.wait_for_lines(BOOK, &[said(alert, "raised raised ")]).await;
    command(&fixture, unknown, acknowledge(unknown, 1, "li")).await;
    command(&fixture, alert, acknowledge(alert, 2, "li")).await;
    let (by, sealed_note) = ("li".to_owned(), Some("1.secret".to_owned()));
    let disposition = Disposition::Transferred;
    let dispose = AlertAction::Dispose { alert, command: Uuid::from_u128(3), by, disposition, sealed_note };
    command(&fixture, alert, dispose).await;
    let handled = ["raised raised ", "acknowledge acknowledged ", "dispose disposed "].map(|rest| said(alert, rest));
    fixture.wait_for_lines(BOOK, &handled).await;
    let letters = fixture.dead_letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0].reason.starts_with("field `alert`"), "{letters:?}");
    running.stop().await;
}
