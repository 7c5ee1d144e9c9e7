//! Batches: each line has its own outcome, whatever the others are, and a body that is compressed says the same.
//!
//! The input is how the body is compressed (`g` for gzip, `z` for zstd; anything else is the body's own first byte and means
//! not at all) and the body.

use std::io::Read;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use ingest::dry_run::DryRun;
use serde_json::Value;

use super::scans::{GATEWAY, NOW_MS};

/// Most lines and bytes of a batch.
const MAX_LINES: usize = 10_000;
const MAX_BYTES: usize = 8 << 20;

/// Holds the input against the rules.
pub fn check(input: &[u8]) {
    match input {
        [b'g', body @ ..] => {
            let mut expected = Vec::new();
            let read = MultiGzDecoder::new(body).take(MAX_BYTES as u64 + 1).read_to_end(&mut expected);
            match decompressed(body, "gzip") {
                Some(body) => {
                    assert!(read.is_ok() && *expected == *body, "gzip, read in two ways");
                    outcomes(&body);
                }
                None => assert!(read.is_err() || expected.len() > MAX_BYTES, "gzip that is refused"),
            }
        }
        [b'z', body @ ..] => {
            if let Some(body) = decompressed(body, "zstd") {
                assert!(body.len() <= MAX_BYTES);
                outcomes(&body);
            }
        }
        body => {
            assert_eq!(decompressed(body, "identity").as_deref(), Some(body));
            outcomes(body);
        }
    }
}

fn decompressed(body: &[u8], encoding: &'static str) -> Option<Bytes> {
    thread_local! {
        static RUNTIME: Option<tokio::runtime::Runtime> =
            tokio::runtime::Builder::new_current_thread().enable_time().build().ok();
    }
    let body = Bytes::copy_from_slice(body);
    let read = RUNTIME.with(|runtime| runtime.as_ref().map(|runtime| runtime.block_on(DryRun::body(body, encoding))));
    match read {
        Some(Ok(body)) => Some(body),
        Some(Err(problem)) => {
            assert!([400, 413].contains(&problem.status), "{problem:?}");
            None
        }
        None => panic!("no runtime"),
    }
}

/// The answer to a batch is that to each of its lines alone.
fn outcomes(body: &[u8]) {
    let mut alone = Vec::new();
    for (at, line) in body.split(|byte| *byte == b'\n').enumerate() {
        // Blank by what JSON calls white space, and by the form feed that Rust counts to it.
        if !line.iter().all(|byte| b" \t\r\x0c".contains(byte)) {
            alone.push((at + 1, line));
        }
    }
    let answer = match GATEWAY.batch(body, NOW_MS) {
        Ok(answer) => answer,
        Err(problem) => {
            assert!(problem.status == 413 && alone.len() > MAX_LINES, "{problem:?} with {} lines", alone.len());
            return;
        }
    };
    let answer: Value = serde_json::from_slice(&answer).unwrap_or_else(|error| panic!("no JSON: {error}"));
    let lines = answer["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert_eq!(lines.len(), alone.len(), "a line without an outcome, or an outcome without a line");
    let mut accepted = 0;
    for (outcome, (number, line)) in lines.iter().zip(&alone) {
        assert_eq!(outcome["line"], *number);
        match GATEWAY.scan(line, NOW_MS) {
            Ok(event) => {
                accepted += 1;
                assert_eq!(outcome["receipt"], event.event_id.to_string());
                assert_eq!(outcome["verdict"], event.verdict.as_str());
            }
            Err(problem) => assert_eq!(outcome["problem"], serde_json::json!(problem)),
        }
    }
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&accepted.into(), &(alone.len() - accepted).into()));
}
