//! With Kafka out of reach nothing is said to be kept that is not.

use std::time::{Duration, Instant};

use benches::link::Link;
use serde_json::json;

use crate::{
    gateway::{Gateway, PERSON, ago, brokers},
    process::Process,
};

/// How many messages may wait in the gateway whose queue is full.
const ROOM: u32 = 4;

#[tokio::test]
async fn while_kafka_is_out_of_reach_scans_are_refused_with_a_time_to_retry() {
    let link = Link::to_kafka(&brokers()).await.expect("a link");
    let gateway = Gateway::start_with(|config| {
        config.kafka.brokers = link.address.to_string();
        config.producer.ack_timeout_ms = 1500;
    })
    .await;
    gateway.load_venue(7).await;
    let scan = |n| json!({"venue": 7, "person": PERSON, "scanned_at": ago(n)});
    gateway.scan(&scan(1)).await.ok();

    link.cut();
    let started = Instant::now();
    let refused = gateway.scan(&scan(2)).await;
    assert_eq!(refused.refusal(), (503, "kafka-unavailable".to_owned(), None));
    assert!(refused.problem().retry_after_s.is_some());
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let batch = gateway.batch("/v1/scans:batch", &[scan(3), json!({"venue": 9}), scan(4)]).await.ok();
    assert_eq!((&batch["accepted"], &batch["rejected"]), (&json!(0), &json!(3)), "{batch}");
    assert_eq!(batch["lines"][0]["problem"]["status"], 503, "{batch}");
    assert!(batch["lines"][0]["problem"]["retry_after_s"].is_u64(), "{batch}");
    assert_eq!(batch["lines"][1]["problem"]["status"], 422, "{batch}");
    assert_eq!(gateway.get("/healthz").await.status, 200);

    link.mend();
    gateway.eventually("back", async |g| g.scan(&scan(5)).await.status == 200).await;
    let stored: Vec<_> = gateway.stored_scans().await.iter().map(|scan| scan.event_id).collect();
    assert!(stored.len() >= 2, "both scans that were acknowledged are there: {stored:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn how_old_what_the_tables_know_is_can_be_seen() {
    let (link, directory) =
        (Link::to_kafka(&brokers()).await.expect("a link"), tempfile::tempdir().expect("a directory"));
    let gateway = Gateway::start().await;
    gateway.load_venue(7).await;
    let mut process = Process::start(&gateway, &link.address.to_string(), directory.path(), &[]).await;
    let is_shown = async |process: &Process, expected: fn(f64) -> bool| {
        let metrics = process.metrics().await;
        let shown = metrics.lines().find_map(|line| line.strip_prefix("ingest_tables_known_at_seconds "));
        let age_s = |at: &str| chrono::Utc::now().timestamp() as f64 - at.parse::<f64>().expect("a number");
        shown.is_some_and(|at| expected(age_s(at)))
    };
    gateway.eventually("new", async |_| is_shown(&process, |age| age < 4.0).await).await;
    link.cut();
    gateway
        .eventually("older than from one look to the next", async |_| is_shown(&process, |age| age > 12.0).await)
        .await;
    link.mend();
    gateway.eventually("new again", async |_| is_shown(&process, |age| age < 4.0).await).await;
    process.kill();
    gateway.stop().await;
}

#[tokio::test]
async fn when_too_much_waits_for_kafka_more_is_refused_at_once() {
    let link = Link::to_kafka(&brokers()).await.expect("a link");
    let gateway = Gateway::start_with(|config| {
        config.kafka.brokers = link.address.to_string();
        config.producer.ack_timeout_ms = 2000;
        config.producer.queue_messages = ROOM;
    })
    .await;
    gateway.load_venue(7).await;
    link.cut();
    let scans = vec![json!({"venue": 7, "person": PERSON}); ROOM as usize + 1];
    let batch = gateway.batch("/v1/scans:batch", &scans).await.ok();
    let kinds: Vec<_> = (0..scans.len()).map(|n| batch["lines"][n]["problem"]["title"].as_str()).collect();
    // librdkafka may count the venue for a moment after its acknowledgement, so there may be room for fewer.
    let taken = kinds.iter().take_while(|kind| **kind == Some("kafka unavailable")).count();
    assert!((1..=ROOM as usize).contains(&taken), "{kinds:?}");
    assert!(kinds[taken..].iter().all(|kind| *kind == Some("queue full")), "{kinds:?}");
    assert_eq!(batch["lines"][scans.len() - 1]["problem"]["retry_after_s"], 1);
    gateway.stop().await;
}

#[tokio::test]
async fn before_the_tables_are_read_nothing_is_answered() {
    let link = Link::to_kafka(&brokers()).await.expect("a link");
    link.cut();
    let mut gateway = None;
    let start = Gateway::start_with(|config| config.kafka.brokers = link.address.to_string());
    tokio::pin!(start);
    let early = tokio::time::timeout(Duration::from_secs(3), &mut start).await;
    assert!(early.is_err(), "it is not ready without Kafka");
    link.mend();
    gateway.replace(start.await);
    if let Some(gateway) = gateway {
        gateway.load_venue(7).await;
        gateway.stop().await;
    }
}
