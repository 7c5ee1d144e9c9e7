//! The tables are only memory: another gateway has what this one was given.

use serde_json::json;

use crate::gateway::{Gateway, PERSON};

#[tokio::test]
async fn after_a_restart_the_tables_are_caught_up_before_the_first_scan() {
    let gateway = Gateway::start().await;
    let code = gateway.load_venue(7).await;
    gateway.load_healthy(PERSON).await;
    let gateway = gateway.restart().await;
    let answer = gateway.scan(&json!({"code": code, "person": PERSON})).await.ok();
    assert_eq!((&answer["verdict"], &answer["venue"]["id"]), (&json!("admit"), &json!(7)), "{answer}");
    let metrics = gateway.get("/metrics").await.text;
    for name in
        ["ingest_table_rows{table=\"venues\"}", "ingest_scans_total{outcome=\"admit\"}", "ingest_answer_seconds_bucket"]
    {
        assert!(metrics.contains(name), "{name} is not in {metrics}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn messages_that_cannot_be_used_are_skipped() {
    use rdkafka::producer::{FutureProducer, FutureRecord};

    let gateway = Gateway::start().await;
    let prefix = gateway.config.kafka.topic_prefix.clone();
    let producer: FutureProducer = gateway.config.kafka.producer().create().expect("a producer");
    for topic in ["venues", "health", "tests"] {
        let topic = format!("{prefix}{topic}");
        let record = FutureRecord::to(&topic).key("k").payload("not JSON");
        producer.send(record, std::time::Duration::from_secs(10)).await.expect("stored");
    }
    gateway.load_venue(7).await;
    let gateway = gateway.restart().await;
    assert_eq!(gateway.scan(&json!({"venue": 7, "person": PERSON})).await.ok()["verdict"], "refuse");
    gateway.stop().await;
}
