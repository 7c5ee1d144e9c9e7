//! The first look at a partition whose ledger is empty: is it new, or has the ledger been lost?
//!
//! Without a ledger everything on Kafka would be stored under a new stream number, next to what is stored already.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rdkafka::Message;
use schemas::ScanEvent;
use service::{KafkaConfig, kafka::reader_at};
use uuid::Uuid;

use crate::sink::Sink;

/// Messages that are looked at: enough that a few scans which clients sent again do not decide.
const SAMPLE: i64 = 1_000;
/// How long reading them may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Refuses a partition of which most of the first messages are stored already.
///
/// # Errors
/// When that is so, or Kafka or ClickHouse does not answer.
pub async fn check(
    kafka: &KafkaConfig,
    sink: &Sink,
    (topic, partition): (&str, i32),
    (low, high): (i64, i64),
) -> anyhow::Result<()> {
    let ids = first_ids(kafka, (topic, partition), low, high.min(low + SAMPLE))?;
    let stored = sink.count_stored(&ids).await.context("cannot count stored scans")?;
    if stored * 2 > ids.len() as u64 {
        bail!(
            "the ledger of {topic}[{partition}] is empty, but {stored} of its first {} scans are stored: \
             bring scan-ranges[{partition}] back from a copy, or remove these scans from {topic}",
            ids.len()
        );
    }
    Ok(())
}

fn first_ids(kafka: &KafkaConfig, (topic, partition): (&str, i32), low: i64, end: i64) -> anyhow::Result<Vec<Uuid>> {
    let consumer = reader_at(&kafka.reader(), topic, partition, low)?;
    let started = Instant::now();
    let (mut ids, mut next) = (Vec::new(), low);
    while next < end {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            next = message.offset() + 1;
            ids.extend(ScanEvent::try_parse(message.payload().unwrap_or_default()).ok().map(|event| event.event_id));
        } else if started.elapsed() > TIMEOUT {
            bail!("cannot read the first messages of {topic}[{partition}] within {} s", TIMEOUT.as_secs());
        }
    }
    Ok(ids)
}
