//! Two processors of one deployment: paused and late, both in charge, restarted in turn.

use std::time::Duration;

use rustix::process::Signal;
use schemas::ScanEvent;

use crate::{
    fixture::{Fixture, NOON, scan_event},
    process::Process,
};

fn many(from: u64, count: u64) -> Vec<ScanEvent> {
    (from..from + count).map(|n| scan_event(n % 97, 1 + (n % 7) as u32, NOON + n as i64)).collect()
}

async fn small_batches(partitions: i32) -> Fixture {
    let mut fixture = Fixture::new(partitions).await;
    fixture.config.batch.batch_rows = 50;
    fixture.config.batch.batch_ms = 10;
    fixture
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_both_hold_everything_store_each_scan_once() {
    let fixture = small_batches(1).await;
    let processes = [Process::start(&fixture, &[]), Process::start(&fixture, &[])];
    for part in 0..10 {
        fixture.scans(&many(part * 300, 300)).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    fixture.wait_for_counts(3_000).await;
    processes.into_iter().for_each(|process| {
        process.terminate();
    });
    fixture.assert_exact(3_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_paused_and_wakes_up_late_stores_nothing_twice() {
    let fixture = small_batches(1).await;
    let mut owner = Process::start(&fixture, &[]);
    let mut sent = 0;
    for round in 0..4 {
        fixture.scans(&many(sent, 800)).await;
        // Somewhere between gathering, writing down, storing and going on.
        tokio::time::sleep(Duration::from_millis(30 + 37 * round)).await;
        owner.signal(Signal::STOP);
        let next = Process::start(&fixture, &[]);
        sent += 800;
        fixture.wait_for_counts(sent).await;
        fixture.scans(&many(sent, 200)).await;
        sent += 200;
        owner.signal(Signal::CONT);
        fixture.wait_for_counts(sent).await;
        owner.kill();
        owner = next;
    }
    owner.terminate();
    fixture.assert_exact(sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_under_load_loses_and_doubles_nothing() {
    let fixture = small_batches(2).await;
    let group = [("VENUECODE_HOLD", "group")];
    let mut processes = vec![Process::start(&fixture, &group), Process::start(&fixture, &group)];
    let load = async {
        for part in 0..40 {
            fixture.scans(&many(part * 100, 100)).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let restarts = async {
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            let took = processes.remove(0).terminate();
            assert!(took < Duration::from_secs(10), "{took:?}");
            processes.push(Process::start(&fixture, &group));
        }
    };
    tokio::join!(load, restarts);
    fixture.wait_for_counts(4_000).await;
    for process in processes {
        process.terminate();
    }
    fixture.assert_exact(4_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_asked_to_stop_while_nothing_can_be_stored_stops_soon() {
    let fixture = Fixture::new(1).await;
    fixture.run("ALTER TABLE scans_by_venue MODIFY SETTING table_readonly = 1").await;
    let process = Process::start(&fixture, &[]);
    fixture.scans(&many(0, 100)).await;
    process.wait_for("processor_cannot_store_since_seconds{partition=\"0\"}", |since| since > 0.0).await;
    let took = process.terminate();
    assert!(took < Duration::from_secs(5), "{took:?}");
    fixture.run("ALTER TABLE scans_by_venue RESET SETTING table_readonly").await;
    let process = Process::start(&fixture, &[]);
    fixture.wait_for_counts(100).await;
    process.terminate();
    fixture.assert_exact(100).await;
}
