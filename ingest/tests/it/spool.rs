//! While Kafka is out of reach scans are kept on disk, and all of them are on Kafka afterwards.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use benches::link::Link;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{
    gateway::{Gateway, ID_CARD, PERSON, ago, brokers, venue_line},
    process::Process,
};

async fn start(link: &Link, spool: &Path) -> Gateway {
    start_with(link, spool, |_| {}).await
}

async fn start_with(link: &Link, spool: &Path, change: impl FnOnce(&mut ingest::Config)) -> Gateway {
    let gateway = Gateway::start_with(|config| {
        config.kafka.brokers = link.address.to_string();
        config.spool.directory = Some(spool.to_owned());
        change(config);
    })
    .await;
    gateway.load_venue(7).await;
    gateway
}

fn scan(n: u32) -> Value {
    json!({"venue": 7, "person": format!("1{n:015x}"), "scanned_at": ago(1)})
}

fn receipt(answer: &Value) -> String {
    answer["receipt"].as_str().expect("a receipt").to_owned()
}

fn segments(spool: &Path, ending: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(spool).expect("a directory").map(|entry| entry.expect("read").path());
    let mut segments: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == ending)).collect();
    segments.sort();
    segments
}

/// The identities of the scans on Kafka.
async fn on_kafka(gateway: &Gateway) -> HashSet<String> {
    gateway.stored_scans().await.iter().map(|scan| scan.event_id.to_string()).collect()
}

async fn until_on_kafka(gateway: &Gateway, receipts: &HashSet<String>) {
    let mut missing = usize::MAX;
    // Tens of thousands of scans may be on their way: it goes on for as long as some arrive.
    loop {
        let there = on_kafka(gateway).await;
        let left = receipts.difference(&there).count();
        if left == 0 {
            return;
        }
        assert!(left < missing, "{left} of {} receipts are not on Kafka, and no more come", receipts.len());
        missing = left;
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
}

#[tokio::test]
async fn scans_are_kept_on_disk_and_sent_when_kafka_is_back() {
    let (link, spool) = (Link::to_kafka(&brokers()).await.expect("a link"), tempfile::tempdir().expect("a directory"));
    let gateway = start(&link, spool.path()).await;
    assert_eq!(gateway.get("/readyz").await.ok()["conditions"]["kafka"], "ok");

    link.cut();
    let scans: Vec<_> = (0..100).map(scan).collect();
    let answers = futures::future::join_all(scans.iter().map(|scan| gateway.scan(scan))).await;
    let mut receipts: HashSet<_> = answers.iter().map(|answer| receipt(&answer.ok())).collect();
    let lines: Vec<_> = (100..2_600).map(scan).chain([json!({"venue": 9})]).collect();
    let batch = gateway.batch("/v1/scans:batch", &lines).await.ok();
    assert_eq!((&batch["accepted"], &batch["rejected"]), (&json!(2_500), &json!(1)), "{batch}");
    receipts.extend(batch["lines"].as_array().expect("lines")[..2_500].iter().map(receipt));
    let by_document = json!({"venue": 7, "document": {"type": "id_card", "number": ID_CARD}});
    receipts.insert(receipt(&gateway.scan(&by_document).await.ok()));
    assert_eq!(receipts.len(), 2_601);

    let ready = gateway.get("/readyz").await.ok();
    let kafka = ready["conditions"]["kafka"].as_str().expect("a text");
    assert!(kafka.starts_with("degraded: Kafka is out of reach"), "{ready}");
    let metrics = gateway.get("/metrics").await.text;
    // One process has one set of metrics, whichever of its gateways they are from.
    for name in
        ["ingest_spooling ", "ingest_spool_scans ", "ingest_spooled_scans_total ", "ingest_spool_fsync_seconds_count "]
    {
        assert!(metrics.contains(name), "{name} is not in {metrics}");
    }
    let feed = gateway.batch("/v1/venues:batch", &[venue_line(8)]).await;
    assert_eq!(feed.refusal(), (503, "kafka-unavailable".to_owned(), None), "feeds are not spooled");
    for segment in segments(spool.path(), "spool") {
        let bytes = fs::read(segment).expect("read");
        assert!(!bytes.windows(8).any(|window| window == &ID_CARD.as_bytes()[6..14]), "no document in the spool");
    }

    link.mend();
    until_on_kafka(&gateway, &receipts).await;
    let empty = async |g: &Gateway| g.get("/readyz").await.ok()["conditions"]["kafka"] == "ok";
    gateway.eventually("without a spool", empty).await;
    assert_eq!(segments(spool.path(), "spool"), Vec::<PathBuf>::new());
    gateway.load_venue(8).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_kafka_that_takes_connections_and_never_answers_is_out_of_reach_too() {
    let (link, spool) = (Link::to_kafka(&brokers()).await.expect("a link"), tempfile::tempdir().expect("a directory"));
    let gateway = start_with(&link, spool.path(), |config| config.spool.spool_after_ms = 500).await;
    link.delay(Duration::from_secs(3600));
    let started = Instant::now();
    let mut receipts = HashSet::from([receipt(&gateway.scan(&scan(1)).await.ok())]);
    assert!(started.elapsed() < Duration::from_secs(6), "before the delivery time-out: {:?}", started.elapsed());
    receipts.insert(receipt(&gateway.scan(&scan(2)).await.ok()));
    assert!(!segments(spool.path(), "spool").is_empty());
    link.delay(Duration::ZERO);
    until_on_kafka(&gateway, &receipts).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_full_spool_says_when_to_come_back_and_takes_again_after() {
    let (link, spool) = (Link::to_kafka(&brokers()).await.expect("a link"), tempfile::tempdir().expect("a directory"));
    let gateway = start_with(&link, spool.path(), |config| config.spool.spool_max_bytes = 3_000).await;
    link.cut();
    let mut receipts = HashSet::new();
    let refused = loop {
        let answer = gateway.scan(&scan(receipts.len() as u32)).await;
        if answer.status != 200 {
            break answer;
        }
        receipts.insert(receipt(&answer.ok()));
    };
    assert_eq!(refused.refusal(), (503, "spool-full".to_owned(), None));
    assert_eq!(refused.problem().retry_after_s, Some(10));
    assert!((5..12).contains(&receipts.len()), "{}", receipts.len());
    let batch = gateway.batch("/v1/scans:batch", &[scan(50), scan(51)]).await.ok();
    assert_eq!(batch["lines"][1]["problem"]["title"], "spool full", "{batch}");
    link.mend();
    gateway.eventually("taking again", async |g| g.scan(&scan(60)).await.status == 200).await;
    until_on_kafka(&gateway, &receipts).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_damaged_segment_is_set_aside_and_the_others_go_on() {
    let (link, spool) = (Link::to_kafka(&brokers()).await.expect("a link"), tempfile::tempdir().expect("a directory"));
    let gateway = Gateway::start().await;
    gateway.load_venue(7).await;
    let mut process = Process::start(&gateway, &link.address.to_string(), spool.path(), &[]).await;
    link.cut();
    let post = async |scans: &[Value]| {
        let lines: String = scans.iter().map(|scan| format!("{scan}\n")).collect();
        let http = reqwest::Client::new().post(format!("{}/v1/scans:batch", process.base));
        let request = http.bearer_auth(&process.token).header("content-type", "application/x-ndjson");
        let answer = request.body(lines).send().await.expect("an answer");
        let answer: Value = answer.json().await.expect("JSON");
        answer["lines"].as_array().expect("lines").iter().map(receipt).collect::<Vec<_>>()
    };
    let first = post(&(0..20).map(scan).collect::<Vec<_>>()).await;
    // By then the segment is sealed, and the next scans go to another one.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let later = post(&(20..40).map(scan).collect::<Vec<_>>()).await;
    process.kill();
    let [damaged, _] = &segments(spool.path(), "spool")[..] else { panic!("two segments") };
    let mut bytes = fs::read(damaged).expect("read");
    let at = bytes.len() / 2;
    bytes[at] ^= 0x40;
    fs::write(damaged, bytes).expect("written");

    link.mend();
    let process = Process::start(&gateway, &link.address.to_string(), spool.path(), &[]).await;
    until_on_kafka(&gateway, &later.into_iter().collect()).await;
    assert_eq!(segments(spool.path(), "damaged").len(), 1, "kept for someone to look at");
    let there = on_kafka(&gateway).await;
    let whole = first.iter().take_while(|receipt| there.contains(*receipt)).count();
    assert!((5..20).contains(&whole), "what stands before the damage is on Kafka: {whole}");
    let metrics = process.metrics().await;
    assert!(metrics.contains("ingest_spool_damaged_segments 1\n"), "{metrics}");
    gateway.stop().await;
}

/// Sends scans one after the other until told to stop, and notes each receipt that came.
async fn press(
    (base, token): (String, String),
    stop: Arc<AtomicBool>,
    receipts: Arc<Mutex<HashSet<String>>>,
    client: u32,
) {
    let http = reqwest::Client::new();
    let mut n = 0u32;
    while !stop.load(Ordering::Relaxed) {
        n += 1;
        let (path, media, body) = if n.is_multiple_of(5) {
            let lines: String = (0..20).map(|k| format!("{}\n", scan(client << 20 | n << 8 | k))).collect();
            ("/v1/scans:batch", "application/x-ndjson", lines)
        } else {
            ("/v1/scans", "application/json", scan(client << 20 | n << 8).to_string())
        };
        let request = http.post(format!("{base}{path}")).bearer_auth(&token);
        let request = request.header("content-type", media).body(body);
        let Ok(answer) = request.send().await else { continue };
        if answer.status() != 200 {
            continue;
        }
        let Ok(answer) = answer.json::<Value>().await else { continue };
        let lines = answer["lines"].as_array().cloned().unwrap_or_else(|| vec![answer]);
        let kept = lines.iter().filter_map(|line| line["receipt"].as_str().map(str::to_owned));
        receipts.lock().extend(kept);
    }
}

#[tokio::test]
async fn every_receipt_survives_kills_while_kafka_comes_and_goes() {
    let (link, spool) = (Link::to_kafka(&brokers()).await.expect("a link"), tempfile::tempdir().expect("a directory"));
    let gateway = Gateway::start().await;
    gateway.load_venue(7).await;
    let receipts = Arc::new(Mutex::new(HashSet::new()));
    for round in 0..3 {
        link.mend();
        let mut process =
            Process::start(&gateway, &link.address.to_string(), spool.path(), &["--ack-timeout-ms", "2000"]).await;
        let stop = Arc::new(AtomicBool::new(false));
        let pressing: Vec<_> = (0..8)
            .map(|n| {
                press(
                    (process.base.clone(), process.token.clone()),
                    Arc::clone(&stop),
                    Arc::clone(&receipts),
                    round * 8 + n,
                )
            })
            .map(tokio::spawn)
            .collect();
        tokio::time::sleep(Duration::from_millis(300)).await;
        link.cut();
        let before = receipts.lock().len();
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        assert!(receipts.lock().len() > before + 100, "it goes on without Kafka");
        if round == 1 {
            // Killed while the spool is on its way to Kafka.
            link.mend();
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        process.kill();
        stop.store(true, Ordering::Relaxed);
        futures::future::join_all(pressing).await;
        assert!(!segments(spool.path(), "spool").is_empty());
    }
    link.mend();
    let _process = Process::start(&gateway, &link.address.to_string(), spool.path(), &[]).await;
    let receipts = receipts.lock().clone();
    until_on_kafka(&gateway, &receipts).await;
    gateway.eventually("an empty spool", async |_| segments(spool.path(), "spool").is_empty()).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_gateway_does_not_start_on_the_spool_of_another() {
    let (link, spool) = (Link::to_kafka(&brokers()).await.expect("a link"), tempfile::tempdir().expect("a directory"));
    let gateway = start(&link, spool.path()).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let error = ingest::serve(gateway.config.clone(), listener, tokio_util::sync::CancellationToken::new()).await;
    let error = format!("{:#}", error.expect_err("refused"));
    assert!(error.contains("in use by another gateway"), "{error}");
    gateway.scan(&json!({"venue": 7, "person": PERSON})).await.ok();
    gateway.stop().await;
}
