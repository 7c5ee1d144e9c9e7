//! A partition of a log of commands: read whole, from its first record on, with a note on Kafka of how far its outputs
//! are out.
//!
//! The note is the committed offset of a group that nobody joins. It may be behind, or gone: then outputs leave again,
//! which changes nothing. It is never ahead, since only who has put a record's outputs out moves it past the record.
//! Nothing waits for Kafka to take it, and nothing says whether it has (librdkafka tells it of commits of its own alone): so
//! it is noted again, soon at first and then less and less often. That also outdoes a note that comes late from whoever
//! held the partition before.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    message::OwnedMessage,
};
use service::{
    BoundedConsumer, KafkaConfig,
    kafka::{METADATA_TIMEOUT, partition_count, reader_at},
};

use super::Machine;

/// Most records that are gathered at once.
const MAX_RECORDS: usize = 2_000;
/// How soon what is new is noted again; each time after that twice as late.
const NOTE_AGAIN: Duration = Duration::from_secs(5);
/// How late at most: Kafka forgets a note after a week, and who is erased waits until everything before is dealt with.
const NOTE_EVERY: Duration = Duration::from_secs(3_600);

/// How many partitions a log has.
///
/// # Errors
/// When Kafka does not say.
pub fn partitions(kafka: &KafkaConfig, topic: &str) -> anyhow::Result<i32> {
    let consumer = kafka.reader().create().context("cannot set up a Kafka consumer")?;
    partition_count(&consumer, topic)
}

/// One partition of a log.
pub struct Log {
    consumer: BoundedConsumer,
    topic: String,
    partition: i32,
    /// Offset of the next record.
    next: i64,
    /// Before which offset all outputs are out.
    done: i64,
    /// When that was last noted.
    noted_at: Instant,
    /// How long after that it is noted again.
    again: Duration,
}

impl Log {
    /// Opens a partition for a machine, at its first record or, for one that remembers nothing, behind the last one whose
    /// outputs are out; also says up to which offset they are, of records that are there.
    ///
    /// # Errors
    /// When Kafka does not answer, or the log has lost its beginning although its records do not expire: what it would
    /// be folded into is not known then.
    pub fn open<M: Machine>(kafka: &KafkaConfig, topic: &str, partition: i32) -> anyhow::Result<(Self, i64)> {
        let mut config = kafka.reader();
        config.set("group.id", format!("{topic}-done"));
        let asking: BaseConsumer = config.create().context("cannot set up a Kafka consumer")?;
        let (low, high) =
            asking.fetch_watermarks(topic, partition, METADATA_TIMEOUT).context("cannot read the end of the log")?;
        if low > 0 && !M::LOG_EXPIRES {
            bail!("{topic}[{partition}] begins at offset {low}: its first records are gone, restore them");
        }
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, partition);
        let committed = asking.committed_offsets(list, METADATA_TIMEOUT).context("cannot read how far outputs are")?;
        let done = match committed.find_partition(topic, partition).map(|entry| entry.offset()) {
            Some(Offset::Offset(offset)) => offset,
            _ => 0,
        };
        // A partition of which all has expired begins and ends at 0 on the embedded broker; the next record comes behind the
        // others all the same.
        let done = if M::LOG_EXPIRES && high == 0 { 0 } else { done };
        // What is gone needs no outputs any more.
        let done = done.max(low);
        if done > high {
            bail!(
                "{topic}[{partition}] ends at offset {high}, and outputs are out up to {done}: its last records are gone"
            );
        }
        let next = if M::REMEMBERS { low } else { done };
        let consumer = reader_at(&config, topic, partition, next)?;
        let (topic, noted_at) = (topic.to_owned(), Instant::now());
        Ok((Self { consumer, topic, partition, next, done, noted_at, again: NOTE_AGAIN }, done))
    }

    /// Offset of the next record.
    pub const fn next(&self) -> i64 {
        self.next
    }

    /// Waits up to `patience` for a record, then takes what is there; only records before `end`, if one is given.
    pub fn gather(&mut self, patience: Duration, end: Option<i64>) -> Vec<OwnedMessage> {
        let deadline = Instant::now() + patience;
        let mut records = Vec::new();
        while records.len() < MAX_RECORDS && end.is_none_or(|end| self.next < end) {
            let wait =
                if records.is_empty() { deadline.saturating_duration_since(Instant::now()) } else { Duration::ZERO };
            match self.consumer.poll(wait) {
                // A client whose position has left the log begins again at its first record.
                Some(Ok(record)) if record.offset() < self.next => {}
                Some(Ok(record)) => {
                    self.next = record.offset() + 1;
                    records.push(record.detach());
                }
                Some(Err(error)) => tracing::debug!(%error, "Kafka is out of reach; the client tries again"),
                None if !records.is_empty() || wait.is_zero() => break,
                None => {}
            }
        }
        records
    }

    /// Has Kafka note that all outputs of the records that were gathered are out.
    pub fn note_done(&mut self) {
        (self.done, self.again) = (self.next, NOTE_AGAIN);
        self.note();
    }

    /// Notes it again when it is time to.
    pub fn keep_noted(&mut self) {
        if self.noted_at.elapsed() >= self.again {
            self.again = (self.again * 2).min(NOTE_EVERY);
            self.note();
        }
    }

    fn note(&mut self) {
        self.noted_at = Instant::now();
        let mut list = TopicPartitionList::new();
        let noted = list
            .add_partition_offset(&self.topic, self.partition, Offset::Offset(self.done))
            .and_then(|()| self.consumer.commit(&list, CommitMode::Async));
        if let Err(error) = noted {
            tracing::warn!(%error, "cannot note how far outputs are; trying again");
        }
    }
}
