//! What ClickHouse refuses: narrowed down to the rows at fault, which become dead letters; the others are stored once.

use std::time::Duration;

use schemas::{ScanEvent, ddl::MIGRATIONS};

use crate::{
    fixture::{Fixture, NOON, scan_event},
    process::Process,
    stored_exactly_once::{abandon, lose_newest_parts},
};

/// The one venue that the tables of these tests refuse.
const BAD: u32 = 9;

/// Scans of which those with these numbers are at the refused venue.
fn with_bad(count: u64, bad: impl Fn(u64) -> bool) -> Vec<ScanEvent> {
    let venue = |n: u64| if bad(n) { BAD } else { 1 + (n % 7) as u32 };
    (0..count).map(|n| scan_event(n % 97, venue(n), NOON + n as i64)).collect()
}

/// A rule that refuses the rows of the bad venue in one table.
async fn refuse(fixture: &Fixture, table: &str) {
    let constraint = format!("CONSTRAINT not_there CHECK venue_id != {BAD}");
    if table != "scans_in" {
        return fixture.run(&format!("ALTER TABLE {table} ADD {constraint}")).await;
    }
    // A table that stores nothing cannot be altered; made anew, it wants its views anew.
    let [create, .., view_by_venue, view_by_person, view_ids] = &MIGRATIONS[..7] else {
        panic!("the migrations moved")
    };
    for view in ["to_scans_by_venue", "to_scans_by_person", "to_scan_ids", "scans_in"] {
        fixture.run(&format!("DROP TABLE {view}")).await;
    }
    fixture.run(&create.sql.replace("kafka_offset    UInt64", &format!("kafka_offset UInt64, {constraint}"))).await;
    for view in [view_by_venue, view_by_person, view_ids] {
        fixture.run(view.sql).await;
    }
}

/// Waits until so many rows are stored and so many letters written, then checks both to the last one.
async fn assert_settled(fixture: &Fixture, scans: &[ScanEvent]) {
    let good = scans.iter().filter(|scan| scan.venue != BAD).count();
    fixture.wait_for_counts(good as u64).await;
    for _ in 0..1_200 {
        if fixture.dead_letters().len() >= scans.len() - good {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    fixture.assert_exact(good as u64).await;
    let mut letters = fixture.dead_letters();
    letters.sort_by_key(|letter| letter.offset);
    let mut refused: Vec<Vec<u8>> = letters
        .iter()
        .map(|letter| (0..letter.value_hex.len() / 2).map(|i| byte(&letter.value_hex, i)).collect())
        .collect();
    let mut expected: Vec<Vec<u8>> = scans
        .iter()
        .filter(|scan| scan.venue == BAD)
        .map(|scan| serde_json::to_vec(scan).expect("serialises"))
        .collect();
    refused.sort();
    // A letter may come twice if a process dies right behind it.
    refused.dedup();
    expected.sort();
    assert!(refused == expected, "{} letters of {} bad scans", refused.len(), expected.len());
    for letter in &letters {
        assert!(letter.reason.contains("469 VIOLATED_CONSTRAINT"), "{}", letter.reason);
        assert!(letter.reason.contains("not_there"), "ClickHouse's words: {}", letter.reason);
    }
}

fn byte(hex: &str, index: usize) -> u8 {
    u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).expect("hex")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_row_of_ten_thousand_is_a_dead_letter_and_the_others_are_stored_once() {
    // Refused at the door, or by one table after another has taken the rows.
    for table in ["scans_in", "scans_by_venue", "scans_by_person"] {
        let fixture = Fixture::new(1).await;
        refuse(&fixture, table).await;
        let scans = with_bad(10_000, |n| n == 6_789);
        fixture.scans(&scans).await;
        let running = fixture.start().await;
        assert_settled(&fixture, &scans).await;
        running.stop().await;
        assert!(fixture.ledger_end(0) < 60, "{table}: {} records", fixture.ledger_end(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_bad_rows_in_a_row_and_apart_are_found() {
    let fixture = Fixture::new(1).await;
    refuse(&fixture, "scans_by_venue").await;
    let scans = with_bad(2_000, |n| [0, 1, 2, 700, 1_500, 1_999].contains(&n));
    fixture.scans(&scans).await;
    let running = fixture.start().await;
    assert_settled(&fixture, &scans).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn if_all_rows_are_bad_all_are_dead_letters_and_the_next_ones_are_stored() {
    let fixture = Fixture::new(1).await;
    refuse(&fixture, "scans_in").await;
    let mut scans = with_bad(60, |_| true);
    fixture.scans(&scans).await;
    let running = fixture.start().await;
    while fixture.dead_letters().len() < 60 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let good: Vec<_> = (0..50).map(|n| scan_event(n, 1, NOON + 90_000 + n as i64)).collect();
    fixture.scans(&good).await;
    scans.extend(good);
    assert_settled(&fixture, &scans).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_scan_that_is_sent_again_is_not_taken_for_a_stored_one() {
    let fixture = Fixture::new(1).await;
    refuse(&fixture, "scans_by_person").await;
    let bad = scan_event(5, BAD, NOON);
    fixture.scans(&[scan_event(1, 1, NOON), scan_event(2, 2, NOON)]).await;
    fixture.scans(&[bad.clone(), bad.clone()]).await;
    let running = fixture.start().await;
    fixture.wait_for_counts(2).await;
    while fixture.dead_letters().len() < 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    running.stop().await;
    fixture.run("ALTER TABLE scans_by_person DROP CONSTRAINT not_there").await;
    // The last range is read again by the next process. A letter is a verdict: neither of the two becomes a row now.
    let running = fixture.start().await;
    fixture.scan(&bad).await;
    fixture.wait_for_counts(3).await;
    running.stop().await;
    fixture.assert_exact(3).await;
    let mut letters: Vec<_> = fixture.dead_letters().into_iter().map(|letter| letter.offset).collect();
    letters.sort();
    assert_eq!(letters, [2, 3]);
    assert_eq!(fixture.query_u64("SELECT count() FROM scans_by_venue WHERE kafka_offset IN (2, 3)").await, 0);
}

/// Two tables have taken the rows, the third has lost them and refuses some by now.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_only_one_table_refuses_are_removed_from_the_others() {
    let fixture = Fixture::new(1).await;
    let scans = with_bad(300, |n| n == 5 || n == 123);
    let abandoned = abandon(&fixture, &scans).await;
    abandoned.sink.insert(&abandoned.batch, &abandoned.entry.token()).await.expect("stored");
    lose_newest_parts(&fixture, "scans_by_venue").await;
    refuse(&fixture, "scans_by_venue").await;
    let running = fixture.start().await;
    assert_settled(&fixture, &scans).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_in_the_middle_of_the_search_lose_and_double_nothing() {
    let mut fixture = Fixture::new(1).await;
    fixture.config.batch.batch_rows = 1_000;
    refuse(&fixture, "scans_by_venue").await;
    let scans = with_bad(3_000, |n| n % 500 == 77);
    fixture.scans(&scans).await;
    for round in 0..10 {
        let process = Process::start(&fixture, &[]);
        process.wait_for("processor_partitions", |partitions| partitions > 0.0).await;
        tokio::time::sleep(Duration::from_millis(150 + round * 53 % 400)).await;
        process.kill();
    }
    let process = Process::start(&fixture, &[]);
    assert_settled(&fixture, &scans).await;
    let log = process.log();
    assert!(!log.contains("person_id"), "the words of ClickHouse stay out of the log: {log}");
    process.terminate();
}
