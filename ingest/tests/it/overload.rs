//! More than can be kept is turned away openly, and evenly by client.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use benches::link::Link;
use schemas::access::Role;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::gateway::{Gateway, ago, brokers};

#[derive(Default)]
struct Count {
    taken: AtomicUsize,
    turned_away: AtomicUsize,
}

/// Sends scans with a token, one after the other, until told to stop.
async fn press(base: String, token: String, client: u32, stop: Arc<AtomicBool>, count: Arc<Count>) {
    let http = reqwest::Client::new();
    let mut n = 0u32;
    while !stop.load(Ordering::Relaxed) {
        n += 1;
        let person = format!("1{:015x}", client << 20 | n);
        let scan = json!({"venue": 7, "person": person, "scanned_at": ago(1)}).to_string();
        let request = http.post(format!("{base}/v1/scans")).header("content-type", "application/json").body(scan);
        let answer = request.bearer_auth(&token).send().await.expect("an answer");
        match answer.status().as_u16() {
            200 => count.taken.fetch_add(1, Ordering::Relaxed),
            429 | 503 => {
                assert_eq!(answer.headers()["retry-after"], "1");
                tokio::time::sleep(Duration::from_millis(10)).await;
                count.turned_away.fetch_add(1, Ordering::Relaxed)
            }
            other => panic!("{other}: {}", answer.text().await.unwrap_or_default()),
        };
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_slow_kafka_a_greedy_client_is_turned_away_and_a_polite_one_is_not() {
    let link = Link::to_kafka(&brokers()).await.expect("a link");
    let gateway = Gateway::start_with(|config| config.kafka.brokers = link.address.to_string()).await;
    gateway.load_venue(7).await;
    link.delay(Duration::from_millis(30));
    let (stop, greedy, polite) = (Arc::new(AtomicBool::new(false)), Arc::<Count>::default(), Arc::<Count>::default());
    let base = || gateway.base().to_owned();
    // One address for all: it is the holders of tokens who are told apart.
    let token = |sub| gateway.token(Role::Device, sub);
    let mut pressing: Vec<_> = (0..600)
        .map(|n| tokio::spawn(press(base(), token("greedy"), n, Arc::clone(&stop), Arc::clone(&greedy))))
        .collect();
    gateway.eventually("turned away", async |_| greedy.turned_away.load(Ordering::Relaxed) > 100).await;
    pressing.push(tokio::spawn(press(base(), token("polite"), 1000, Arc::clone(&stop), Arc::clone(&polite))));
    let served = async |scans| {
        gateway.eventually("served", async |_| polite.taken.load(Ordering::Relaxed) >= scans).await;
        polite.turned_away.load(Ordering::Relaxed)
    };
    // Once those are through that came in before the pace was found, each of its scans is taken.
    let before = served(5).await;
    assert_eq!(served(15).await, before);
    assert!(greedy.taken.load(Ordering::Relaxed) > 0);

    link.delay(Duration::ZERO);
    stop.store(true, Ordering::Relaxed);
    for pressed in futures::future::join_all(pressing).await {
        pressed.expect("no panic");
    }
    // What remains is an ordinary load; within 5 s nothing of it is turned away.
    let (stop, ordinary) = (Arc::new(AtomicBool::new(false)), Arc::<Count>::default());
    let pressing: Vec<_> = (2_000..2_020)
        .map(|n| tokio::spawn(press(base(), token("greedy"), n, Arc::clone(&stop), Arc::clone(&ordinary))))
        .collect();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let before = ordinary.turned_away.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(ordinary.turned_away.load(Ordering::Relaxed), before, "it has recovered");
    assert!(ordinary.taken.load(Ordering::Relaxed) > 100);
    stop.store(true, Ordering::Relaxed);
    for pressed in futures::future::join_all(pressing).await {
        pressed.expect("no panic");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn connections_beyond_the_bound_are_told_so() {
    let gateway = Gateway::start_with(|config| config.limits.limit_client_connections = 4).await;
    let address = gateway.base().trim_start_matches("http://").to_owned();
    let mut held = Vec::new();
    let mut answer = String::new();
    while held.len() < 5 && answer.is_empty() {
        let mut stream = TcpStream::connect(&address).await.expect("connected");
        let soon = Duration::from_millis(200);
        let _ = tokio::time::timeout(soon, stream.read_to_string(&mut answer)).await;
        held.push(stream);
    }
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 1"), "{answer}");
    drop(held);
    gateway
        .eventually("taking connections", async |g| {
            let mut stream = TcpStream::connect(&address).await.expect("connected");
            stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.expect("written");
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer).await;
            let _ = g;
            answer.starts_with("HTTP/1.1 200 ")
        })
        .await;
    gateway.stop().await;
}
