//! A gateway that starts from a snapshot of its tables answers as one that reads the topics whole.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rdkafka::producer::{FutureProducer, FutureRecord};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

use crate::{
    gateway::{Gateway, PERSON, ago, brokers, venue_line},
    process::Process,
};

/// A gateway process with a snapshot in a directory, beside the gateway that feeds its topics.
async fn start(like: &Gateway, directories: &TempDir, more: &[&str]) -> Process {
    let tables = directories.path().join("tables").display().to_string();
    let more = [&["--tables", &tables], more].concat();
    Process::start(like, &brokers(), &directories.path().join("spool"), &more).await
}

async fn stop(process: Process) {
    process.terminate();
    process.ended().await;
}

fn snapshot(directories: &TempDir) -> PathBuf {
    directories.path().join("tables/tables")
}

/// Whether it started from its snapshot.
async fn used_snapshot(process: &Process) -> bool {
    process.metrics().await.contains("ingest_snapshot_used 1")
}

/// Verdict, or the kind of problem, of a scan at a venue.
async fn scan(process: &Process, venue: u32) -> String {
    let body = json!({"venue": venue, "person": PERSON}).to_string();
    let request = reqwest::Client::new().post(format!("{}/v1/scans", process.base)).bearer_auth(&process.token);
    let answer = request.header("content-type", "application/json").body(body).send().await.expect("an answer");
    let answer: Value = serde_json::from_str(&answer.text().await.expect("text")).expect("JSON");
    answer.get("verdict").or(answer.get("title")).and_then(Value::as_str).expect("either").to_owned()
}

async fn fed() -> (Gateway, TempDir) {
    let gateway = Gateway::start().await;
    gateway.load_venue(7).await;
    gateway.load_healthy(PERSON).await;
    (gateway, tempfile::tempdir().expect("a directory"))
}

async fn turn_red(gateway: &Gateway) {
    let red = json!({"person": PERSON, "colour": "red", "since": ago(10), "issuer": "CDC", "evidence": "E2", "reason": "case"});
    assert_eq!(gateway.batch("/v1/health-codes:batch", &[red]).await.ok()["accepted"], 1);
}

#[tokio::test]
async fn what_changed_while_the_gateway_was_down_is_seen_before_it_is_ready() {
    let (gateway, directories) = fed().await;
    let first = start(&gateway, &directories, &[]).await;
    assert!(!used_snapshot(&first).await);
    let unknown = scan(&first, 8).await;
    stop(first).await;
    assert_eq!(fs::metadata(snapshot(&directories)).expect("written").permissions().mode() & 0o777, 0o600);
    let second = start(&gateway, &directories, &[]).await;
    assert!(used_snapshot(&second).await);
    assert_eq!([scan(&second, 7).await, scan(&second, 8).await], ["admit".to_owned(), unknown.clone()]);
    stop(second).await;
    turn_red(&gateway).await;
    gateway.load_venue(8).await;
    let topic = format!("{}venues", gateway.config.kafka.topic_prefix);
    let producer: FutureProducer = gateway.config.kafka.producer().create().expect("a producer");
    let tombstone = FutureRecord::<str, [u8]>::to(&topic).key("7");
    producer.send(tombstone, Duration::from_secs(10)).await.expect("stored");
    let third = start(&gateway, &directories, &[]).await;
    assert!(used_snapshot(&third).await);
    assert_eq!([scan(&third, 7).await, scan(&third, 8).await], [unknown, "refuse".to_owned()]);
    stop(third).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_damaged_snapshot_makes_no_difference_but_in_time() {
    let (gateway, directories) = fed().await;
    stop(start(&gateway, &directories, &[]).await).await;
    let whole = fs::read(snapshot(&directories)).expect("read");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [flipped, whole[..whole.len() - 9].to_vec(), Vec::new()] {
        fs::write(snapshot(&directories), damaged).expect("written");
        let process = start(&gateway, &directories, &[]).await;
        assert!(!used_snapshot(&process).await);
        assert_eq!(scan(&process, 7).await, "admit");
        stop(process).await;
    }
    let process = start(&gateway, &directories, &[]).await;
    assert!(used_snapshot(&process).await, "the next one is written at the end");
    stop(process).await;
    gateway.stop().await;
}

/// Gives a snapshot of one gateway's topics out as one of another's.
fn forge(path: &Path, from: &Gateway, to: &Gateway) {
    let (from, to) = (&from.config.kafka.topic_prefix, &to.config.kafka.topic_prefix);
    let mut bytes = fs::read(path).expect("read");
    while let Some(at) = bytes.windows(from.len()).position(|window| window == from.as_bytes()) {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    let end = bytes.len() - 4;
    let sum = crc32fast::hash(&bytes[..end]);
    bytes[end..].copy_from_slice(&sum.to_le_bytes());
    fs::write(path, bytes).expect("written");
}

#[tokio::test]
async fn a_snapshot_of_topics_that_were_made_anew_is_not_believed() {
    let (first, directories) = fed().await;
    stop(start(&first, &directories, &[]).await).await;
    let kept = fs::read(snapshot(&directories)).expect("read");
    // Of other names, of the same names but empty, and of the same names with other messages at the same offsets.
    let other = Gateway::start().await;
    for round in 0..3 {
        fs::write(snapshot(&directories), &kept).expect("written");
        if round > 0 {
            forge(&snapshot(&directories), &first, &other);
        }
        if round == 2 {
            other.batch("/v1/venues:batch", &[9, 10, 11, 12].map(venue_line)).await.ok();
            other.load_healthy(PERSON).await;
            turn_red(&other).await;
        }
        let process = start(&other, &directories, &[]).await;
        assert!(!used_snapshot(&process).await, "round {round}");
        let unknown = scan(&process, 8).await;
        assert_eq!(scan(&process, 7).await, unknown, "only the other topics have venue 7");
        if round == 2 {
            assert_eq!(scan(&process, 9).await, "refuse");
        }
        stop(process).await;
    }
    first.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn writing_holds_nothing_up_and_a_gateway_killed_at_it_starts_from_what_is_whole() {
    let (gateway, directories) = fed().await;
    let line = |n: u32| json!({"person": format!("1{n:015x}"), "colour": "green", "since": ago(60), "issuer": "CDC", "evidence": "E", "reason": "R"});
    let lines: Vec<_> = (1..=10_000).map(line).collect();
    assert_eq!(gateway.batch("/v1/health-codes:batch", &lines).await.ok()["accepted"], 10_000);
    stop(start(&gateway, &directories, &[]).await).await;

    // A pipe in the place of the file: the gateway has to wait in the middle of writing.
    let unfinished = directories.path().join("tables/tables.new");
    mknodat(CWD, &unfinished, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
    let mut process = start(&gateway, &directories, &["--tables-every", "1"]).await;
    gateway.load_venue(8).await;
    let mut reader = tokio::fs::File::open(&unfinished).await.expect("it writes one");
    let mut begun = vec![0; 100_000];
    reader.read_exact(&mut begun).await.expect("some of it");
    turn_red(&gateway).await;
    gateway.load_venue(9).await;
    while scan(&process, 9).await != "refuse" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    process.kill();
    drop(reader);
    fs::remove_file(&unfinished).expect("removed");
    fs::write(&unfinished, begun).expect("written");

    let process = start(&gateway, &directories, &[]).await;
    assert!(used_snapshot(&process).await, "the one before is whole");
    assert_eq!([scan(&process, 8).await, scan(&process, 9).await], ["refuse", "refuse"]);
    stop(process).await;
    assert!(!unfinished.exists());
    gateway.stop().await;
}
