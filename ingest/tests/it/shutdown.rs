//! Asked to stop, the gateway answers what it took, and keeps what it answered.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use benches::link::Link;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{
    gateway::{Gateway, ago, brokers},
    process::Process,
};

/// Clients that open a connection for each scan, and what they were told.
#[derive(Default)]
struct Clients {
    receipts: Mutex<HashSet<String>>,
    /// Answers that began and did not end.
    broken: AtomicUsize,
    /// Requests on a connection that was taken, without an answer.
    unanswered: AtomicUsize,
    stop: AtomicBool,
}

impl Clients {
    async fn press(self: Arc<Self>, base: String, token: String, client: u32) {
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).build().expect("a client");
        let mut n = 0u32;
        while !self.stop.load(Ordering::Relaxed) {
            n += 1;
            let person = format!("1{:015x}", client << 20 | n);
            let scan = json!({"venue": 7, "person": person, "scanned_at": ago(1)}).to_string();
            let request = http.post(format!("{base}/v1/scans")).header("content-type", "application/json").body(scan);
            let answer = match request.bearer_auth(&token).send().await {
                Ok(answer) => answer,
                Err(error) => {
                    // Otherwise nobody listens any more.
                    self.unanswered.fetch_add(usize::from(!error.is_connect()), Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    continue;
                }
            };
            let status = answer.status();
            match answer.json::<Value>().await {
                Ok(answer) if status == 200 => {
                    let receipt = answer["receipt"].as_str().expect("a receipt").to_owned();
                    self.receipts.lock().insert(receipt);
                }
                Ok(_) => {}
                Err(_) => {
                    self.broken.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

async fn stop_under_load(kafka_goes: bool) {
    let (link, spool) = (Link::to_kafka(&brokers()).await.expect("a link"), tempfile::tempdir().expect("a directory"));
    let gateway = Gateway::start().await;
    gateway.load_venue(7).await;
    let process = Process::start(&gateway, &link.address.to_string(), spool.path(), &[]).await;
    let clients = Arc::new(Clients::default());
    let pressing: Vec<_> = (0..16)
        .map(|n| Arc::clone(&clients).press(process.base.clone(), process.token.clone(), n))
        .map(tokio::spawn)
        .collect();
    gateway.eventually("pressed", async |_| clients.receipts.lock().len() > 100).await;
    if kafka_goes {
        link.cut();
    }
    process.terminate();
    process.ended().await;
    clients.stop.store(true, Ordering::Relaxed);
    futures::future::join_all(pressing).await;
    assert_eq!(clients.broken.load(Ordering::Relaxed), 0, "each answer that began came whole");
    // One may connect in the very moment in which the port is closed.
    let unanswered = clients.unanswered.load(Ordering::Relaxed);
    assert!(unanswered <= 2, "{unanswered} requests of 16 clients were not answered");
    let receipts = clients.receipts.lock().clone();
    link.mend();
    let _next = if kafka_goes {
        Some(Process::start(&gateway, &link.address.to_string(), spool.path(), &[]).await)
    } else {
        None
    };
    let there = async |gateway: &Gateway| {
        let stored = gateway.stored_scans().await;
        let stored: HashSet<_> = stored.iter().map(|scan| scan.event_id.to_string()).collect();
        stored.is_superset(&receipts)
    };
    gateway.eventually("all on Kafka", there).await;
    gateway.stop().await;
}

#[tokio::test]
async fn stopped_under_load_it_keeps_all_that_it_answered() {
    stop_under_load(false).await;
}

#[tokio::test]
async fn stopped_while_kafka_goes_it_leaves_in_the_spool_what_kafka_does_not_have() {
    stop_under_load(true).await;
}

#[tokio::test]
async fn a_load_balancer_learns_of_the_end_before_requests_are_refused() {
    let (link, spool) = (Link::to_kafka(&brokers()).await.expect("a link"), tempfile::tempdir().expect("a directory"));
    let gateway = Gateway::start().await;
    gateway.load_venue(7).await;
    let process =
        Process::start(&gateway, &link.address.to_string(), spool.path(), &["--shutdown-delay-ms", "1500"]).await;
    process.terminate();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(process.answers("/readyz").await, Some(503));
    assert_eq!(
        process.answers(&format!("/v1/codes/{}", gateway.code(7, 0))).await,
        Some(200),
        "it still takes requests"
    );
    process.ended().await;
    gateway.stop().await;
}
