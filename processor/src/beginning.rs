//! The first look at a partition whose ledger is empty: is it new, or has the ledger been lost?
//!
//! Without a ledger everything on Kafka would be stored under a new stream number, next to what is stored already.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};
use schemas::{ScanEvent, UnixSeconds};
use service::{
    KafkaConfig,
    kafka::{METADATA_TIMEOUT, reader_at},
};
use uuid::Uuid;

use crate::sink::Sink;

/// Messages that are looked at: enough that a few scans which clients sent again do not decide.
const SAMPLE: i64 = 1_000;
/// How long reading them may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Refuses a partition of which most of the first messages are stored already. What was before the horizon does not count:
/// its identities are forgotten, so it would look new.
///
/// # Errors
/// When that is so, or Kafka or ClickHouse does not answer.
pub async fn check(
    kafka: &KafkaConfig,
    sink: &Sink,
    (topic, partition): (&str, i32),
    (low, high): (i64, i64),
    horizon: Option<UnixSeconds>,
) -> anyhow::Result<()> {
    let low = match horizon {
        Some(horizon) if low < high => came_since(kafka, (topic, partition), horizon)?.unwrap_or(high).max(low),
        _ => low,
    };
    let ids = first_ids(kafka, (topic, partition), (low, high.min(low + SAMPLE)), horizon.unwrap_or(i64::MIN))?;
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

/// Offset of the first message that came at a time or later.
fn came_since(kafka: &KafkaConfig, (topic, partition): (&str, i32), since: UnixSeconds) -> anyhow::Result<Option<i64>> {
    let consumer: BaseConsumer = kafka.reader().create().context("cannot set up a Kafka consumer")?;
    let mut asked = TopicPartitionList::new();
    asked.add_partition_offset(topic, partition, Offset::Offset(since * 1000))?;
    let found = consumer.offsets_for_times(asked, METADATA_TIMEOUT);
    let found = found.with_context(|| format!("cannot look for a time in {topic}[{partition}]"))?;
    match found.find_partition(topic, partition).map(|entry| entry.offset()) {
        Some(Offset::Offset(offset)) => Ok(Some(offset)),
        _ => Ok(None),
    }
}

fn first_ids(
    kafka: &KafkaConfig,
    (topic, partition): (&str, i32),
    (low, end): (i64, i64),
    horizon: UnixSeconds,
) -> anyhow::Result<Vec<Uuid>> {
    let consumer = reader_at(&kafka.reader(), topic, partition, low)?;
    let started = Instant::now();
    let (mut ids, mut next) = (Vec::new(), low);
    while next < end {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            next = message.offset() + 1;
            let event = ScanEvent::try_parse(message.payload().unwrap_or_default()).ok();
            ids.extend(event.filter(|event| event.scanned_at >= horizon).map(|event| event.event_id));
        } else if started.elapsed() > TIMEOUT {
            bail!("cannot read the first messages of {topic}[{partition}] within {} s", TIMEOUT.as_secs());
        }
    }
    Ok(ids)
}
