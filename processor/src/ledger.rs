//! The ledger: each range of offsets is written down before it is stored, so that whoever comes next stores
//! exactly the same range again under the same token.
//!
//! It lives on the topic `scan-ranges`, partition n for `scans` partition n, and decides between two writers
//! without a lock: a record names the offset of the record before it, and counts only if it landed right
//! behind. Of two instances that both believe to own a partition, one record counts; the other writer sees at
//! once, from the offset of its acknowledgement, that it has lost. Needs neither transactions nor commit
//! metadata, so it works on every broker.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rdkafka::{
    Message,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    producer::{FutureProducer, FutureRecord, future_producer::Delivery},
};
use serde::{Deserialize, Serialize};
use service::{
    KafkaConfig,
    kafka::{METADATA_TIMEOUT, reader_at},
};

/// How long an append may take before its outcome counts as unknown.
const APPEND_TIMEOUT: Duration = Duration::from_secs(10);
/// How long reading the end of the ledger may take.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// One record: the messages from `start` to before `end` are one batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeRecord {
    /// Message version.
    pub v: u8,
    /// Names this incarnation of the partition; drawn at random when its ledger begins, stored with each row.
    pub stream: u32,
    /// Ledger offset of the record before it; -1 for the first.
    pub prev: i64,
    /// First offset of the range.
    pub start: u64,
    /// Offset behind the last of the range.
    pub end: u64,
    /// Whether some rows of this range were found stored already, so that under this token only those are stored that
    /// are missing, each table for itself.
    pub repair: bool,
    /// Offset behind the last message of which an earlier record may have stored something. It lies behind `end` after
    /// ClickHouse refused a range and this record names the first part of it.
    #[serde(default)]
    pub tried: u64,
}

/// What a record claims for its writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// [`RangeRecord::start`].
    pub start: u64,
    /// [`RangeRecord::end`].
    pub end: u64,
    /// [`RangeRecord::repair`].
    pub repair: bool,
    /// [`RangeRecord::tried`].
    pub tried: u64,
}

impl Claim {
    /// A range of which nothing was tried before.
    pub const fn fresh(start: u64, end: u64) -> Self {
        Self { start, end, repair: false, tried: 0 }
    }
}

/// A record that counts, with its place in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Ledger offset.
    pub offset: i64,
    /// The record.
    pub record: RangeRecord,
}

impl Entry {
    /// The deduplication token of the insert of this range; no other record ever has it.
    pub fn token(&self) -> String {
        format!("{:08x}:{}", self.record.stream, self.offset)
    }
}

/// The newest record that counts among consecutive records, and the offset of the newest record of all.
pub fn newest(records: &[(i64, Option<RangeRecord>)]) -> Option<Entry> {
    let counts = |(offset, record): &(i64, Option<RangeRecord>)| {
        let record = record.as_ref().filter(|r| r.prev == offset - 1)?;
        Some(Entry { offset: *offset, record: record.clone() })
    };
    records.iter().rev().find_map(counts)
}

/// What came of an append.
#[derive(Debug, PartialEq, Eq)]
pub enum Appended {
    /// The record counts.
    Won(Entry),
    /// Somebody else wrote in between, or the outcome is unknown: read the ledger again before going on.
    Lost,
}

/// One partition's ledger.
pub struct Ledger {
    topic: String,
    partition: i32,
    producer: FutureProducer,
    last_offset: i64,
}

impl Ledger {
    /// Opens the ledger of a partition and returns its newest entry that counts.
    ///
    /// # Errors
    /// When Kafka does not answer, or the ledger holds records none of which counts.
    pub fn open(
        kafka: &KafkaConfig,
        producer: FutureProducer,
        partition: i32,
    ) -> anyhow::Result<(Self, Option<Entry>)> {
        let topic = kafka.topics().scan_ranges;
        let consumer: BaseConsumer = kafka.reader().create().context("cannot set up a Kafka consumer")?;
        let (low, high) = consumer
            .fetch_watermarks(&topic, partition, METADATA_TIMEOUT)
            .with_context(|| format!("cannot read the end of {topic}[{partition}]"))?;
        let mut newest_entry = None;
        let mut depth = 16;
        while newest_entry.is_none() && low < high {
            let from = low.max(high - depth);
            newest_entry = newest(&read(kafka, &topic, partition, from, high)?);
            // Records before `low` have expired, and with them every scan that they speak of: begin anew.
            if from == low && newest_entry.is_none() && low > 0 {
                break;
            }
            if from == low && newest_entry.is_none() {
                bail!("{topic}[{partition}] holds records, but none that counts: it was tampered with or truncated");
            }
            depth *= 8;
        }
        Ok((Self { topic, partition, producer, last_offset: high - 1 }, newest_entry))
    }

    /// Writes a range down.
    ///
    /// # Errors
    /// When the record cannot be encoded; trouble with Kafka is [`Appended::Lost`].
    pub async fn append(&mut self, stream: u32, claim: Claim) -> anyhow::Result<Appended> {
        let Claim { start, end, repair, tried } = claim;
        let (v, prev) = (schemas::events::VERSION, self.last_offset);
        let record = RangeRecord { v, stream, prev, start, end, repair, tried };
        let payload = serde_json::to_vec(&record)?;
        let message: FutureRecord<'_, (), [u8]> =
            FutureRecord::to(&self.topic).partition(self.partition).payload(&payload);
        match self.producer.send(message, APPEND_TIMEOUT).await {
            Ok(Delivery { offset, .. }) if offset == self.last_offset + 1 => {
                self.last_offset = offset;
                Ok(Appended::Won(Entry { offset, record }))
            }
            Ok(Delivery { offset, .. }) => {
                tracing::warn!(partition = self.partition, offset, "another instance wrote to the ledger");
                Ok(Appended::Lost)
            }
            Err((error, _)) => {
                tracing::warn!(partition = self.partition, %error, "cannot write to the ledger");
                Ok(Appended::Lost)
            }
        }
    }
}

/// Reads the records from `from` to before `to`; a record that cannot be read does not count.
fn read(
    kafka: &KafkaConfig,
    topic: &str,
    partition: i32,
    from: i64,
    to: i64,
) -> anyhow::Result<Vec<(i64, Option<RangeRecord>)>> {
    let consumer = reader_at(&kafka.reader(), topic, partition, from)?;
    let started = Instant::now();
    let mut records = Vec::new();
    while records.last().is_none_or(|(offset, _)| offset + 1 < to) {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                let record = message.payload().and_then(|bytes| serde_json::from_slice(bytes).ok());
                records.push((message.offset(), record));
            }
            Some(Err(KafkaError::PartitionEOF(_))) | None => {}
            Some(Err(error)) => tracing::debug!(%error, "Kafka is out of reach; the client tries again"),
        }
        if started.elapsed() > READ_TIMEOUT {
            bail!("cannot read {topic}[{partition}] from {from} to {to} within {} s", READ_TIMEOUT.as_secs());
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Two writers, each with its own idea of where the ledger ends, append in any order: a model of two
    /// instances of which one was paused and wakes up late.
    #[derive(Clone, Copy, Default)]
    struct Writer {
        last_offset: i64,
        next_start: u64,
    }

    proptest! {
        #[test]
        fn ranges_that_count_never_overlap_nor_leave_a_gap(
            steps in proptest::collection::vec((0usize..2, any::<bool>(), 1u64..5), 1..60),
        ) {
            let mut log: Vec<(i64, Option<RangeRecord>)> = Vec::new();
            let mut writers = [Writer { last_offset: -1, next_start: 0 }; 2];
            for (who, reopen, length) in steps {
                if reopen {
                    let next_start = newest(&log).map_or(0, |e| e.record.end);
                    writers[who] = Writer { last_offset: log.len() as i64 - 1, next_start };
                }
                let Writer { last_offset, next_start } = writers[who];
                let (start, end) = (next_start, next_start + length);
                let offset = log.len() as i64;
                let record = RangeRecord { v: 1, stream: 1, prev: last_offset, start, end, repair: false, tried: 0 };
                log.push((offset, Some(record)));
                if offset == last_offset + 1 {
                    writers[who] = Writer { last_offset: offset, next_start: end };
                }
                // One that has lost goes on believing what it believed, until it reads the ledger again.
            }
            let counting: Vec<_> = (1..=log.len()).filter_map(|n| newest(&log[..n])).collect();
            let mut expected_start = 0;
            let mut seen = -1;
            for entry in counting {
                if entry.offset != seen {
                    prop_assert_eq!(entry.record.start, expected_start);
                    expected_start = entry.record.end;
                    seen = entry.offset;
                }
            }
        }
    }

    #[test]
    fn a_record_of_an_older_build_counts() {
        let old = br#"{"v":1,"stream":1,"prev":-1,"start":0,"end":5,"repair":false}"#;
        let record: RangeRecord = serde_json::from_slice(old).expect("reads");
        assert_eq!((record.end, record.tried), (5, 0));
    }

    #[test]
    fn a_record_that_cannot_be_read_does_not_count() {
        let good = RangeRecord { v: 1, stream: 1, prev: -1, start: 0, end: 5, repair: false, tried: 0 };
        let entry = newest(&[(0, Some(good.clone())), (1, None)]).expect("one counts");
        assert_eq!((entry.offset, &entry.record, entry.token().as_str()), (0, &good, "00000001:0"));
        assert_eq!(newest(&[]), None);
    }
}
