//! Stored exactly once: after repetitions, restarts, several instances, and every way in which a range can be
//! left half stored.

use std::{collections::HashMap, time::Duration};

use processor::{
    batch::{self, Incoming, VenueFacts},
    history::HealthHistory,
    ledger::{Appended, Claim, Entry, Ledger},
    recent::RecentIds,
    sink::Sink,
};
use rdkafka::Message;
use schemas::{
    Erased, ScanEvent,
    ddl::{MIGRATIONS, SCAN_TABLES},
};

use crate::fixture::{Fixture, NOON, scan_event};

pub fn many(count: u64) -> Vec<ScanEvent> {
    (0..count).map(|n| scan_event(n % 97, 1 + (n % 7) as u32, NOON + n as i64)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_sent_again_is_stored_once_also_after_a_restart() {
    let fixture = Fixture::new(2).await;
    let scans = many(500);
    let running = fixture.start().await;
    fixture.scans(&scans).await;
    fixture.scans(&scans).await;
    fixture.wait_for_counts(500).await;
    fixture.settle().await;
    running.stop().await;
    fixture.scans(&scans).await;
    let running = fixture.start().await;
    fixture.scans(&scans).await;
    fixture.settle().await;
    running.stop().await;
    let markers = 4;
    assert_eq!(fixture.counts().await, [500 + markers; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_in_the_middle_of_a_stream_lose_and_double_nothing() {
    let mut fixture = Fixture::new(2).await;
    fixture.config.batch.batch_rows = 100;
    let scans = many(6000);
    let mut running = fixture.start().await;
    for part in scans.chunks(1500) {
        fixture.scans(part).await;
        tokio::time::sleep(Duration::from_millis(30)).await;
        running.stop().await;
        running = fixture.start().await;
    }
    fixture.wait_for_counts(6000).await;
    fixture.settle().await;
    running.stop().await;
    let distinct = fixture.query_u64("SELECT uniqExact(person_id, venue_id, scanned_at) FROM scans_by_venue").await;
    fixture.assert_exact(distinct).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_instances_share_the_partitions_and_store_each_scan_once() {
    let fixture = Fixture::new(4).await;
    let scans = many(4000);
    let first = fixture.start().await;
    fixture.scans(&scans[..2000]).await;
    let second = fixture.start().await;
    fixture.scans(&scans[2000..3000]).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    first.stop().await;
    fixture.scans(&scans[3000..]).await;
    fixture.wait_for_counts(4000).await;
    fixture.settle().await;
    second.stop().await;
    fixture.assert_exact(4_004).await;
}

/// A range written down in the ledger by a process that died at one of the moments in between.
pub struct Abandoned {
    pub entry: Entry,
    pub batch: batch::Batch,
    pub sink: Sink,
    ledger: Ledger,
}

pub async fn abandon(fixture: &Fixture, scans: &[ScanEvent]) -> Abandoned {
    fixture.scans(scans).await;
    let kafka = fixture.config.kafka.clone();
    let producer = fixture.producer.clone();
    let (mut ledger, newest) =
        tokio::task::spawn_blocking(move || Ledger::open(&kafka, producer, 0)).await.expect("joins").expect("opens");
    assert_eq!(newest, None);
    let stream = 77;
    let end = scans.len() as u64;
    let Appended::Won(entry) = ledger.append(stream, Claim::fresh(0, end)).await.expect("appends") else {
        panic!("nobody else writes here")
    };
    // What the dead process had built from the same messages, in the order they have on Kafka.
    let mut messages = Vec::new();
    fixture.read(&fixture.topics.scans, |message| {
        let event = ScanEvent::try_parse(message.payload().expect("a value")).map_err(|e| e.to_string());
        messages.push(Incoming { offset: message.offset() as u64, event });
    });
    let facts = |venue| Some(VenueFacts { district: 310_100 + venue, category: "catering".to_owned() });
    let nothing = batch::Forgotten { horizon: i64::MIN, erased: &Erased::default() };
    let batch = batch::build(messages, stream, nothing, facts, &HealthHistory::default(), &mut RecentIds::new(1000));
    assert_eq!(batch.rows.len(), scans.len());
    Abandoned { entry, batch, sink: fixture.sink(), ledger }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_written_down_but_not_stored_is_stored_by_the_next_process() {
    let fixture = Fixture::new(1).await;
    abandon(&fixture, &many(300)).await;
    let running = fixture.start().await;
    fixture.wait_for_counts(300).await;
    running.stop().await;
    assert_eq!(fixture.ledger_end(0), 1, "the same range under the same token, not a new one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_stored_but_not_acknowledged_is_not_stored_again() {
    let fixture = Fixture::new(1).await;
    let abandoned = abandon(&fixture, &many(300)).await;
    abandoned.sink.insert(&abandoned.batch, &abandoned.entry.token()).await.expect("stored");
    let running = fixture.start().await;
    fixture.settle().await;
    running.stop().await;
    assert_eq!(fixture.counts().await, [301; 3], "and the marker");
}

/// After it and a restart, ClickHouse 26.7 does not know the tokens of the view's table any more.
#[test]
fn no_migration_alters_a_view() {
    let alters = |sql: &str| sql.to_uppercase().contains("MODIFY QUERY");
    let altered: Vec<_> = MIGRATIONS.iter().filter(|migration| alters(migration.sql)).map(|m| m.name).collect();
    assert_eq!(altered, Vec::<&str>::new());
}

/// Brings a table to where `kill -9` of ClickHouse between noting a token and keeping the part leaves it: the token is in
/// the table's log of tokens on disk, the part still has the name of one that is being written, which is removed when
/// the table is loaded. Answers how many parts were lost.
pub async fn lose_newest_parts(fixture: &Fixture, table: &str) -> usize {
    let client = fixture.config.clickhouse.query_client();
    let paths =
        "SELECT path FROM system.parts WHERE database = currentDatabase() AND table = {table:String} AND active";
    let parts: Vec<String> = client.query(paths).param("table", table).fetch_all().await.expect("parts");
    // A merge may still read it: a table is attached again only when nobody uses it.
    fixture.run(&format!("DETACH TABLE {table} SYNC")).await;
    for part in &parts {
        let part = std::path::Path::new(part);
        assert!(part.is_dir(), "{} is not here: this test needs ClickHouse on the same machine", part.display());
        let name = part.file_name().and_then(|name| name.to_str()).expect("a name");
        std::fs::rename(part, part.with_file_name(format!("tmp_insert_{name}"))).expect("renames");
    }
    fixture.run(&format!("ATTACH TABLE {table}")).await;
    parts.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_a_killed_clickhouse_lost_after_noting_their_token_are_stored_again() {
    for lossy in SCAN_TABLES {
        let fixture = Fixture::new(1).await;
        let abandoned = abandon(&fixture, &many(300)).await;
        abandoned.sink.insert(&abandoned.batch, &abandoned.entry.token()).await.expect("stored");
        assert_eq!(lose_newest_parts(&fixture, lossy).await, 1);
        // By the token alone ClickHouse believes that it has them.
        abandoned.sink.insert(&abandoned.batch, &abandoned.entry.token()).await.expect("refused as known");
        assert_eq!(fixture.query_u64(&format!("SELECT count() FROM {lossy}")).await, 0);

        let running = fixture.start().await;
        fixture.wait_for_counts(300).await;
        running.stop().await;
        fixture.assert_exact(300).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_lost_from_the_middle_of_a_stored_range_are_stored_again() {
    for lossy in SCAN_TABLES {
        let fixture = Fixture::new(1).await;
        let abandoned = abandon(&fixture, &many(300)).await;
        abandoned.sink.insert(&abandoned.batch, &abandoned.entry.token()).await.expect("stored");
        lose_a_third(&fixture, lossy).await;
        let missing = abandoned.sink.find_missing(&abandoned.batch, 77).await.expect("answers");
        assert_eq!(missing.iter().map(|m| (m.table, m.offsets.len())).collect::<Vec<_>>(), [(*lossy, 100)]);

        let running = fixture.start().await;
        fixture.wait_for_counts(300).await;
        running.stop().await;
        fixture.assert_exact(300).await;
    }
}

async fn lose_a_third(fixture: &Fixture, table: &str) {
    fixture.run(&format!("ALTER TABLE {table} DELETE WHERE kafka_offset % 3 = 0 SETTINGS mutations_sync = 2")).await;
}

/// The process that found rows missing and wrote that down died before, while or after it stored them.
#[tokio::test(flavor = "multi_thread")]
async fn a_repair_that_was_cut_short_is_finished_and_doubles_nothing() {
    for repaired in [false, true] {
        let fixture = Fixture::new(1).await;
        let mut abandoned = abandon(&fixture, &many(300)).await;
        abandoned.sink.insert(&abandoned.batch, &abandoned.entry.token()).await.expect("stored");
        lose_a_third(&fixture, "scans_by_venue").await;
        let missing = abandoned.sink.find_missing(&abandoned.batch, 77).await.expect("answers");
        let claim = Claim { repair: true, ..Claim::fresh(0, 300) };
        let Appended::Won(repair) = abandoned.ledger.append(77, claim).await.expect("appends") else {
            panic!("nobody else writes here")
        };
        if repaired {
            let stored = abandoned.sink.insert_missing(&abandoned.batch, &missing[0], &repair.token()).await;
            stored.expect("stored");
        }
        let running = fixture.start().await;
        fixture.wait_for_counts(300).await;
        fixture.settle().await;
        running.stop().await;
        fixture.assert_exact(301).await;
    }
}

/// An instance that was paused and wakes up late holds an outdated view of the ledger.
#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_wakes_up_late_cannot_write_a_range_that_counts() {
    let fixture = Fixture::new(1).await;
    let open = || {
        let (kafka, producer) = (fixture.config.kafka.clone(), fixture.producer.clone());
        tokio::task::spawn_blocking(move || Ledger::open(&kafka, producer, 0).expect("opens"))
    };
    let (mut paused, _) = open().await.expect("joins");
    let (mut owner, _) = open().await.expect("joins");
    assert!(matches!(owner.append(5, Claim::fresh(0, 10)).await, Ok(Appended::Won(_))));
    assert_eq!(paused.append(6, Claim::fresh(0, 7)).await.expect("answers"), Appended::Lost);
    // The record of the one that lost lies behind the owner's; it counts for nobody.
    let (mut next, newest) = open().await.expect("joins");
    let newest = newest.expect("one counts").record;
    assert_eq!((newest.stream, newest.start, newest.end), (5, 0, 10));
    assert_eq!(owner.append(5, Claim::fresh(10, 20)).await.expect("answers"), Appended::Lost, "it has to look first");
    assert_eq!(next.append(5, Claim::fresh(10, 12)).await.expect("answers"), Appended::Lost, "and so has this one");
    let (mut latest, _) = open().await.expect("joins");
    assert!(matches!(latest.append(5, Claim::fresh(10, 15)).await, Ok(Appended::Won(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_two_partitions_are_told_apart() {
    let fixture = Fixture::new(2).await;
    let running = fixture.start().await;
    fixture.scans(&many(200)).await;
    fixture.wait_for_counts(200).await;
    running.stop().await;
    let streams: HashMap<&str, u64> = HashMap::from([
        ("streams", fixture.query_u64("SELECT uniqExact(stream) FROM scans_by_venue").await),
        ("messages", fixture.query_u64("SELECT uniqExact(stream, kafka_offset) FROM scans_by_venue").await),
    ]);
    assert_eq!(streams, HashMap::from([("streams", 2), ("messages", 200)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_ledger_nothing_is_stored_a_second_time() {
    let fixture = Fixture::new(1).await;
    let running = fixture.start().await;
    fixture.scans(&many(300)).await;
    fixture.wait_for_counts(300).await;
    running.stop().await;

    // The same scans on Kafka, the same ClickHouse, and an empty ledger.
    let mut without_ledger = Fixture::new(1).await;
    without_ledger.config.clickhouse.database.clone_from(&fixture.config.clickhouse.database);
    without_ledger.scans(&many(300)).await;
    let running = without_ledger.start().await;
    // Longer than it takes to hold a partition and to store what is there.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(fixture.counts().await, [300; 3]);
    assert_eq!(without_ledger.ledger_end(0), 0, "a range was written down");
    running.stop().await;
}
