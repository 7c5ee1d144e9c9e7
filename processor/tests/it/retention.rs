//! Retention: what is past goes by itself, the rest stays, and nothing brings it back.

use std::{collections::BTreeSet, time::Duration};

use schemas::{
    CityProfile, Colour, Reason, Retention, ScanEvent, Verdict,
    stores::{PROJECTIONS, TABLES, TableKept},
};
use service::retention::Forget;

use crate::{
    fixture::{Fixture, health_event, now_ms, scan_event, until},
    stored_exactly_once::abandon,
};

const DAY: i64 = 86_400;

/// What is before it is past, now.
fn horizon(fixture: &Fixture) -> i64 {
    let city = CityProfile::try_built_in(&fixture.config.city).expect("a city");
    Retention::of(&city).horizon(now_ms() / 1000)
}

/// Long past, past by the second, kept for a day still (so that midnight may come while the test runs), and fresh.
fn times(horizon: i64) -> [i64; 4] {
    [horizon - 40 * DAY, horizon - 1, horizon + DAY + 1, now_ms() / 1000 - 10]
}

fn red(scan: ScanEvent) -> ScanEvent {
    let reasons = [Reason::ColourRed].into_iter().collect();
    ScanEvent { verdict: Verdict::Refuse, colour: Colour::Red, reasons, ..scan }
}

/// Rows that are past, per table that forgets.
async fn past(fixture: &Fixture, horizon: i64) -> Vec<(&'static str, u64)> {
    let mut found = Vec::new();
    for table in TABLES {
        if let TableKept::Retention { past, .. } = table.kept {
            let past = past.replace("{horizon}", &horizon.to_string());
            found.push((
                table.name,
                fixture.query_u64(&format!("SELECT count() FROM {} WHERE {past}", table.name)).await,
            ));
        }
    }
    found
}

/// How many projections have a part of a week that is past as a whole.
async fn projections_past(fixture: &Fixture, horizon: i64) -> u64 {
    let week = format!("toDate(partition) + 7 <= toDate(toDateTime({horizon}, 'UTC'), 'UTC')");
    let there = "active AND database = currentDatabase()";
    fixture.query_u64(&format!("SELECT uniqExact(name) FROM system.projection_parts WHERE {there} AND {week}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_past_goes_from_every_table_and_the_rest_stays() {
    let mut fixture = Fixture::new(1).await;
    let horizon = horizon(&fixture);
    let running = fixture.start().await;
    let scans: Vec<_> = (0..).zip(times(horizon)).map(|(who, at)| red(scan_event(who, 1, at))).collect();
    fixture.scans(&scans).await;
    fixture.health(&health_event(7, Colour::Green, horizon - 50 * DAY)).await;
    fixture.wait_for_counts(4).await;
    for (nth, at) in times(horizon).into_iter().enumerate() {
        // The TTL of identities is longer than what is past by a second.
        let stored_at = at.max(horizon - 1);
        fixture.run(&format!("INSERT INTO scan_ids VALUES (9, {nth}, generateUUIDv4(), {stored_at})")).await;
        let row = format!("SELECT generateUUIDv4(), 1, {at}");
        fixture.run(&format!("INSERT INTO trips (trip_id, revision, since) {row}")).await;
        fixture
            .run(&format!("INSERT INTO alerts (alert_id, revision, raised_at_ms, scanned_at) {row} * 1000, {at}"))
            .await;
    }
    until("alerts", async || fixture.query_u64("SELECT count() FROM alerts WHERE venue_id = 1").await == 4).await;
    until("changes", async || fixture.query_u64("SELECT count() FROM health_changes").await == 1).await;
    running.stop().await;
    assert!(past(&fixture, horizon).await.iter().all(|(_, rows)| *rows >= 2), "{:?}", past(&fixture, horizon).await);

    assert_eq!(projections_past(&fixture, horizon).await, PROJECTIONS.len() as u64);

    fixture.config.retention.retention = Forget::City;
    let running = fixture.start().await;
    until("something past is left", async || past(&fixture, horizon).await.iter().all(|(_, rows)| *rows == 0)).await;
    running.stop().await;
    let left = async |table: &str| fixture.query_u64(&format!("SELECT count() FROM {table}")).await;
    let expected = [("scans_by_venue", 2), ("scans_by_person", 2), ("scan_ids", 6), ("alerts", 4), ("trips", 2)];
    for (table, rows) in expected {
        assert_eq!(left(table).await, rows, "{table}");
    }
    assert_eq!(left("health_changes").await, 1, "a colour of long ago may be in force");
    assert_eq!(projections_past(&fixture, horizon).await, 0);
    fixture.assert_counts(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_forgotten_does_not_come_back_and_what_comes_late_leaves_nothing() {
    let mut fixture = Fixture::new(1).await;
    let horizon = horizon(&fixture);
    let [long_past, past_by_a_second, kept, fresh] = times(horizon);
    let scan = |who, at| red(scan_event(who, 1, at));
    let first = [scan(1, long_past), scan(2, past_by_a_second), scan(3, kept), scan(4, fresh)];
    // Stored by a process that died before it knew so: the next one reads the range again, and what it finds missing it
    // stores again.
    let abandoned = abandon(&fixture, &first).await;
    abandoned.sink.insert(&abandoned.batch, &abandoned.entry.token()).await.expect("stored");
    processor::retention::forget(&fixture.config.clickhouse.query_client(), horizon).await.expect("forgets");
    assert_eq!(fixture.query_u64("SELECT count() FROM scans_by_person").await, 2);

    fixture.config.retention.retention = Forget::City;
    let running = fixture.start().await;
    // Sent again, late for the first time, at a venue that nobody knows, and one that counts.
    fixture.scans(&first).await;
    fixture.scans(&[scan(5, past_by_a_second), red(scan_event(6, 99, long_past))]).await;
    let last = scan(7, fresh + 1);
    fixture.scan(&last).await;
    let stored = format!("SELECT count() FROM scan_ids WHERE event_id = '{}'", last.event_id);
    until("the last scan is not stored", async || fixture.query_u64(&stored).await == 1).await;
    until("alerts", async || fixture.query_u64("SELECT uniqExact(alert_id) FROM alerts").await == 3).await;
    running.stop().await;
    for table in ["scans_by_venue", "scans_by_person"] {
        assert_eq!(fixture.query_u64(&format!("SELECT count() FROM {table}")).await, 3, "{table}");
    }
    assert!(past(&fixture, horizon).await.iter().all(|(_, rows)| *rows == 0), "{:?}", past(&fixture, horizon).await);
    assert!(fixture.dead_letters().is_empty(), "a letter would keep what is past");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_goes_by_the_second_wherever_in_its_week_the_horizon_lies() {
    /// Monday, 2022-06-06 00:00 UTC.
    const MONDAY: i64 = 1_654_473_600;
    // Midnight in Shanghai on Sunday and on Monday, and a city's on Greenwich time.
    for horizon in [MONDAY - 8 * 3600, MONDAY, MONDAY + 16 * 3600] {
        let fixture = Fixture::new(1).await;
        for at in [horizon - 8 * DAY, horizon - 1, horizon, MONDAY - 1, MONDAY + 7 * DAY - 1] {
            fixture
                .run(&format!("INSERT INTO trips (trip_id, revision, since) SELECT generateUUIDv4(), 1, {at}"))
                .await;
            for table in ["scans_by_venue", "scans_by_person"] {
                fixture.run(&format!("INSERT INTO {table} (kafka_offset, scanned_at) VALUES (1, {at})")).await;
            }
        }
        let client = fixture.config.clickhouse.query_client();
        processor::retention::forget(&client, horizon).await.expect("forgets");
        let kept = [horizon, MONDAY - 1, MONDAY + 7 * DAY - 1];
        let kept: BTreeSet<i64> = kept.into_iter().filter(|at| *at >= horizon).collect();
        for (table, at) in
            [("trips", "since"), ("scans_by_venue", "toInt64(scanned_at)"), ("scans_by_person", "toInt64(scanned_at)")]
        {
            let left: Vec<i64> = client.query(&format!("SELECT {at} FROM {table}")).fetch_all().await.expect("rows");
            assert_eq!(left.into_iter().collect::<BTreeSet<_>>(), kept, "{table} before {horizon}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_is_under_way_is_not_asked_for_again() {
    let fixture = Fixture::new(1).await;
    let horizon = horizon(&fixture);
    for since in [horizon - 1, horizon] {
        fixture.run(&format!("INSERT INTO trips (trip_id, revision, since) SELECT generateUUIDv4(), 1, {since}")).await;
    }
    let since = format!("since < {horizon}");
    fixture.run("SYSTEM STOP MERGES trips").await;
    // Of a process that has died since.
    fixture.run(&format!("ALTER TABLE trips DELETE WHERE {since} SETTINGS mutations_sync = 0")).await;
    let client = fixture.config.clickhouse.query_client();
    let forgetting = tokio::spawn(async move { processor::retention::forget(&client, horizon).await });
    tokio::time::sleep(Duration::from_secs(2)).await;
    let asked = "SELECT count() FROM system.mutations WHERE database = currentDatabase() AND table = 'trips'";
    assert_eq!(fixture.query_u64(asked).await, 1);
    fixture.run("SYSTEM START MERGES trips").await;
    forgetting.await.expect("ends").expect("forgets");
    assert_eq!(fixture.query_u64(&format!("SELECT count() FROM trips WHERE {since}")).await, 0);
    assert_eq!(fixture.query_u64("SELECT count() FROM trips").await, 1);
    assert_eq!(fixture.query_u64(asked).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_every_table_that_exists_it_is_said_how_long_it_is_kept() {
    let fixture = Fixture::new(1).await;
    let sql = "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine != 'MaterializedView'";
    let there = fixture.lines(sql).await;
    let there: BTreeSet<&str> = there.iter().map(String::as_str).collect();
    assert_eq!(there, TABLES.iter().map(|table| table.name).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_every_projection_that_exists_it_is_said_what_it_says_of_people() {
    let fixture = Fixture::new(1).await;
    let sql = "SELECT table, name FROM system.projections WHERE database = currentDatabase()";
    let there: Vec<(String, String)> =
        fixture.config.clickhouse.query_client().query(sql).fetch_all().await.expect(sql);
    let there: BTreeSet<_> = there.iter().map(|(table, name)| (table.as_str(), name.as_str())).collect();
    assert_eq!(there, PROJECTIONS.iter().map(|projection| (projection.table, projection.name)).collect());
}
