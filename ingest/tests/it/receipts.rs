//! The same scan gets the same receipt, whoever takes it and whichever way it goes.

use benches::link::Link;
use serde_json::{Value, json};

use crate::gateway::{Gateway, ID_CARD, PERSON, ago, brokers};

async fn receipt(gateway: &Gateway, scan: &Value) -> String {
    let single = gateway.scan(scan).await.ok()["receipt"].as_str().expect("a receipt").to_owned();
    let batch = gateway.batch("/v1/scans:batch", std::slice::from_ref(scan)).await.ok();
    assert_eq!(batch["lines"][0]["receipt"], single.as_str(), "in a batch it is the same");
    single
}

#[tokio::test]
async fn another_gateway_a_restart_and_the_spool_give_the_same_receipt() {
    let (link, spool) = (Link::to_kafka(&brokers()).await.expect("a link"), tempfile::tempdir().expect("a directory"));
    let first = Gateway::start_with(|config| {
        config.kafka.brokers = link.address.to_string();
        config.spool.directory = Some(spool.path().to_owned());
    })
    .await;
    first.load_venue(7).await;
    let prefix = first.config.kafka.topic_prefix.clone();
    let second = Gateway::start_with(|config| config.kafka.topic_prefix = prefix).await;
    let at = ago(5);
    let scans = [
        json!({"venue": 7, "person": PERSON, "scanned_at": at}),
        json!({"venue": 7, "document": {"type": "id_card", "number": ID_CARD}, "scanned_at": at}),
        json!({"venue": 7, "person": PERSON, "scanned_at": at, "direction": "exit"}),
        json!({"venue": 7, "person": PERSON, "scanned_at": at, "event_id": "01890a5d-ac96-774b-bcce-b302099a8057"}),
    ];
    let mut receipts = Vec::new();
    for scan in &scans {
        receipts.push(receipt(&first, scan).await);
        assert_eq!(receipts.last(), Some(&receipt(&second, scan).await), "another gateway");
    }
    assert_eq!(receipts[3], "01890a5d-ac96-774b-bcce-b302099a8057");
    let first = first.restart().await;
    link.cut();
    for (scan, expected) in scans.iter().zip(&receipts) {
        assert_eq!(&receipt(&first, scan).await, expected, "after a restart, on the way to the spool");
    }
    link.mend();
    let distinct: std::collections::HashSet<_> = receipts.iter().collect();
    assert_eq!(distinct.len(), 4);
    // Each was sent six times, and a scan that was under way when Kafka went may be there twice.
    let all = async |gateway: &Gateway| {
        let stored = gateway.stored_scans().await;
        receipts.iter().all(|receipt| stored.iter().filter(|scan| scan.event_id.to_string() == *receipt).count() >= 6)
    };
    second.eventually("all on Kafka", all).await;
    first.stop().await;
    second.stop().await;
}
