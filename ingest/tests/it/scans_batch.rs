//! `POST /v1/scans:batch`

use async_compression::tokio::bufread::{GzipEncoder, ZstdEncoder};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::gateway::{Answer, Gateway, PERSON, ago};

const PATH: &str = "/v1/scans:batch";

fn scans(count: u32) -> Vec<Value> {
    let scan = |n: u32| json!({"venue": 7, "person": format!("1{n:015x}"), "scanned_at": ago(1)});
    (0..count).map(scan).collect()
}

fn ndjson(lines: &[Value]) -> Vec<u8> {
    lines.iter().map(|line| format!("{line}\n")).collect::<String>().into_bytes()
}

async fn post_encoded(gateway: &Gateway, encoding: &str, body: Vec<u8>) -> Answer {
    let request = gateway.request(reqwest::Method::POST, PATH);
    let request = request.header("content-type", "application/x-ndjson").header("content-encoding", encoding);
    Answer::to(request.body(body)).await
}

async fn gzip(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    GzipEncoder::new(body).read_to_end(&mut out).await.expect("compresses");
    out
}

async fn zstd(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ZstdEncoder::new(body).read_to_end(&mut out).await.expect("compresses");
    out
}

#[tokio::test]
async fn a_broken_line_does_not_stop_the_others() {
    let gateway = Gateway::start().await;
    let code = gateway.load_venue(7).await;
    gateway.load_healthy(PERSON).await;
    let body = format!(
        "{}\n\n{}\n{}\r\n{}\n",
        json!({"code": code, "person": PERSON}),
        "{\"venue\":7,\"person\":\"1000000000000001\"",
        json!({"venue": 7, "person": "1000000000000002", "colour": "green"}),
        json!({"venue": 7, "person": "1000000000000003"}),
    );
    let answer = gateway.post(PATH, "application/x-ndjson", body).await.ok();
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(2), &json!(2)), "{answer}");
    let stored = gateway.stored_scans().await;
    let receipt = |n: usize| {
        let person = answer["lines"][n]["receipt"].as_str().expect("a receipt");
        stored.iter().find(|scan| scan.event_id.to_string() == person).map(|scan| scan.person.to_string())
    };
    assert_eq!(answer["lines"].as_array().map(Vec::len), Some(4));
    assert_eq!((&answer["lines"][0]["line"], receipt(0).as_deref()), (&json!(1), Some(PERSON)));
    assert_eq!((&answer["lines"][0]["verdict"], &answer["lines"][0]["colour"]), (&json!("admit"), &json!("green")));
    assert_eq!((&answer["lines"][1]["line"], &answer["lines"][1]["problem"]["status"]), (&json!(3), &json!(400)));
    assert_eq!((&answer["lines"][2]["line"], &answer["lines"][2]["problem"]["field"]), (&json!(4), &json!("colour")));
    assert_eq!((&answer["lines"][3]["line"], receipt(3).as_deref()), (&json!(5), Some("1000000000000003")));
    assert_eq!((&answer["lines"][3]["verdict"], &answer["lines"][3]["colour"]), (&json!("refuse"), &json!("unknown")));
    assert_eq!(stored.len(), 2);
    gateway.stop().await;
}

#[tokio::test]
async fn gzip_and_zstd_are_taken_and_what_does_not_decompress_is_not() {
    let gateway = Gateway::start().await;
    gateway.load_venue(7).await;
    let body = ndjson(&scans(300));
    for (encoding, body) in [("gzip", gzip(&body).await), ("zstd", zstd(&body).await), ("identity", body.clone())] {
        assert_eq!(post_encoded(&gateway, encoding, body).await.ok()["accepted"], 300, "{encoding}");
    }
    assert_eq!(gateway.stored_scans().await.len(), 900);
    let cut = gzip(&body).await[..100].to_vec();
    assert_eq!(post_encoded(&gateway, "gzip", cut).await.refusal().1, "malformed-body");
    assert_eq!(post_encoded(&gateway, "zstd", body.clone()).await.refusal().1, "malformed-body");
    assert_eq!(post_encoded(&gateway, "br", body).await.refusal().1, "unsupported-encoding");
    assert_eq!(gateway.stored_scans().await.len(), 900);
    gateway.stop().await;
}

#[tokio::test]
async fn ten_thousand_lines_are_taken_and_one_more_is_not() {
    let gateway = Gateway::start().await;
    gateway.load_venue(7).await;
    let mut lines = scans(10_001);
    assert_eq!(gateway.batch(PATH, &lines).await.refusal(), (413, "too-many-lines".to_owned(), None));
    assert_eq!(gateway.stored_scans().await.len(), 0);
    lines.pop();
    assert_eq!(gateway.batch(PATH, &lines).await.ok()["accepted"], 10_000);
    assert_eq!(gateway.stored_scans().await.len(), 10_000);
    gateway.stop().await;
}

#[tokio::test]
async fn a_body_too_large_is_refused_before_and_after_decompression() {
    let gateway = Gateway::start().await;
    let blank = vec![b'\n'; 8 * 1024 * 1024 + 1];
    for (encoding, body) in [("identity", blank.clone()), ("gzip", gzip(&blank).await), ("zstd", zstd(&blank).await)] {
        assert_eq!(
            post_encoded(&gateway, encoding, body).await.refusal(),
            (413, "body-too-large".to_owned(), None),
            "{encoding}"
        );
    }
    let full = gateway.post(PATH, "application/x-ndjson", blank[1..].to_vec()).await.ok();
    assert_eq!(full, json!({"accepted": 0, "rejected": 0, "lines": []}));
    assert_eq!(gateway.post(PATH, "application/json", "{}").await.refusal().1, "unsupported-media-type");
    gateway.stop().await;
}
