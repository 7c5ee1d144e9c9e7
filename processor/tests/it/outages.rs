//! ClickHouse and Kafka in trouble: the processor waits, says so, goes on by itself, and what is stored is exact.

use std::time::Duration;

use benches::link::Link;

use crate::{
    fixture::{Fixture, NOON, scan_event},
    process::Process,
};

const LAG: &str = "processor_lag_messages{partition=\"0\"}";
const BEHIND: &str = "processor_behind_seconds{partition=\"0\"}";
const CANNOT_STORE_SINCE: &str = "processor_cannot_store_since_seconds{partition=\"0\"}";

async fn send(fixture: &Fixture, from: u64, count: u64) {
    let scans: Vec<_> = (from..from + count).map(|n| scan_event(n % 97, 1 + (n % 7) as u32, NOON + n as i64)).collect();
    fixture.scans(&scans).await;
}

/// Sees the processor wait with so many messages, and say so.
async fn assert_waits(process: &Process, messages: u64) {
    process.wait_for(CANNOT_STORE_SINCE, |since| since > 1.7e9).await;
    process.wait_for(LAG, |lag| lag == messages as f64).await;
    process.wait_for(BEHIND, |seconds| seconds > 1.0).await;
}

/// Sees it go on by itself and have stored everything once.
async fn assert_recovers(fixture: &Fixture, process: Process, expected: u64) {
    fixture.wait_for_counts(expected).await;
    process.wait_for(CANNOT_STORE_SINCE, |since| since == 0.0).await;
    process.wait_for(LAG, |lag| lag == 0.0).await;
    process.wait_for(BEHIND, |seconds| seconds == 0.0).await;
    process.terminate();
    fixture.assert_exact(expected).await;
    assert_eq!(fixture.dead_letters().len(), 0, "no scan is given up because ClickHouse is ill");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_takes_nothing_is_waited_for() {
    // Out of disk, read-only, too many parts: a real refusal of the server each, with the exception that it has then.
    for (setting, exception) in [
        ("min_free_disk_bytes_to_perform_insert = 1000000000000000000", "243 NOT_ENOUGH_SPACE"),
        ("table_readonly = 1", "774 TABLE_IS_PERMANENTLY_READ_ONLY"),
        ("parts_to_delay_insert = 1, parts_to_throw_insert = 1", "252 TOO_MANY_PARTS"),
    ] {
        let fixture = Fixture::new(1).await;
        let process = Process::start(&fixture, &[]);
        send(&fixture, 0, 50).await;
        fixture.wait_for_counts(50).await;
        fixture.run(&format!("ALTER TABLE scans_by_person MODIFY SETTING {setting}")).await;
        send(&fixture, 50, 150).await;
        assert_waits(&process, 150).await;
        assert!(process.log().contains(exception), "{exception} is not in {}", process.log());
        let names: Vec<_> = setting.split(", ").filter_map(|s| s.split(" = ").next()).collect();
        fixture.run(&format!("ALTER TABLE scans_by_person RESET SETTING {}", names.join(", "))).await;
        assert_recovers(&fixture, process, 200).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clickhouse_out_of_reach_is_waited_for_also_by_a_processor_that_starts_then() {
    let fixture = Fixture::new(1).await;
    let link = Link::to(fixture.config.clickhouse.url.trim_start_matches("http://")).await.expect("a link");
    let url = format!("http://{}", link.address);
    let environment = [("VENUECODE_CLICKHOUSE_URL", url.as_str())];
    let process = Process::start(&fixture, &environment);
    send(&fixture, 0, 50).await;
    fixture.wait_for_counts(50).await;
    for round in 1..=5 {
        link.cut();
        send(&fixture, round * 50, 50).await;
        tokio::time::sleep(Duration::from_millis(150 * round)).await;
        link.mend();
        tokio::time::sleep(Duration::from_millis(70 * round)).await;
    }
    fixture.wait_for_counts(300).await;
    link.cut();
    send(&fixture, 300, 100).await;
    assert_waits(&process, 100).await;
    process.kill();
    let process = Process::start(&fixture, &environment);
    link.mend();
    assert_recovers(&fixture, process, 400).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_come_after_the_time_limit_double_nothing() {
    let fixture = Fixture::new(1).await;
    let link = Link::to(fixture.config.clickhouse.url.trim_start_matches("http://")).await.expect("a link");
    let url = format!("http://{}", link.address);
    let environment = [("VENUECODE_CLICKHOUSE_URL", url.as_str()), ("VENUECODE_INSERT_TIMEOUT_S", "1")];
    let process = Process::start(&fixture, &environment);
    send(&fixture, 0, 50).await;
    fixture.wait_for_counts(50).await;
    link.delay(Duration::from_millis(1_500));
    send(&fixture, 50, 150).await;
    // Stored at once, but nobody has heard of it.
    fixture.wait_for_counts(200).await;
    process.wait_for(CANNOT_STORE_SINCE, |since| since > 1.7e9).await;
    process.wait_for("processor_insert_retries_total", |retries| retries >= 2.0).await;
    link.delay(Duration::ZERO);
    assert_recovers(&fixture, process, 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kafka_that_is_cut_off_again_and_again_is_survived() {
    let mut fixture = Fixture::new(1).await;
    fixture.config.batch.batch_rows = 20;
    fixture.config.batch.batch_ms = 20;
    let link = Link::to_kafka(&fixture.config.kafka.brokers).await.expect("a link");
    let process = Process::start(&fixture, &[("VENUECODE_KAFKA", &link.address.to_string())]);
    send(&fixture, 0, 50).await;
    fixture.wait_for_counts(50).await;
    for round in 1..=6 {
        send(&fixture, round * 200, 200).await;
        tokio::time::sleep(Duration::from_millis(40 * round)).await;
        // In the middle of appends to the ledger, among others.
        link.cut();
        tokio::time::sleep(Duration::from_millis(200 * round)).await;
        link.mend();
    }
    assert_recovers(&fixture, process, 1_250).await;
}
