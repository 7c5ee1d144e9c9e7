//! Reads whole partitions without a group: how a service rebuilds its tables from compacted topics.

use std::time::{Duration, Instant};

use anyhow::Context;
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{Consumer, DefaultConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
    message::BorrowedMessage,
};
use tokio_util::sync::CancellationToken;

use crate::{BoundedConsumer, KafkaConfig, kafka::METADATA_TIMEOUT};

/// Most messages handled in one [`TopicReader::poll`].
const MAX_MESSAGES_PER_POLL: usize = 10_000;

/// So much lies here before no more is fetched; 64 MiB unless set.
const READ_AHEAD_KIB: &str = "4096";
/// Most that Kafka is asked for at once, of all partitions; 50 MiB unless set. As it comes: unpacked, with what
/// librdkafka holds of each message, it is twenty times as much.
const FETCH_BYTES: &str = "1048576";

/// A consumer of whole partitions, which knows when it has read all that was there at a given moment.
pub struct TopicReader {
    consumer: BoundedConsumer,
    partitions: Vec<Progress>,
}

struct Progress {
    topic: String,
    partition: i32,
    /// Offset of the next message.
    next: i64,
    /// Caught up once `next` has come here.
    goal: i64,
}

impl TopicReader {
    /// Starts reading `(topic, partition)`s from their first messages; the goal is where they end now.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub fn try_new(kafka: &KafkaConfig, partitions: &[(&str, i32)]) -> anyhow::Result<Self> {
        let starts: Vec<_> = partitions.iter().map(|(topic, partition)| (*topic, *partition, None)).collect();
        Self::try_new_at(kafka, &starts)
    }

    /// Starts reading `(topic, partition, offset)`s there, or from their first messages; the goal is where they end now.
    /// If an offset is not there any more, that partition is read from its first message.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub fn try_new_at(kafka: &KafkaConfig, partitions: &[(&str, i32, Option<i64>)]) -> anyhow::Result<Self> {
        let mut config = kafka.reader();
        // Rows are applied as fast as they come: what waits here only takes the memory that the tables are to have.
        config.set("queued.max.messages.kbytes", READ_AHEAD_KIB).set("fetch.max.bytes", FETCH_BYTES);
        let consumer =
            BoundedConsumer::try_new(&config, DefaultConsumerContext).context("cannot set up a Kafka consumer")?;
        let mut list = TopicPartitionList::new();
        for (topic, partition, start) in partitions {
            list.add_partition_offset(topic, *partition, start.map_or(Offset::Beginning, Offset::Offset))?;
        }
        consumer.assign(&list)?;
        let partitions = partitions
            .iter()
            .map(|(topic, partition, start)| Progress {
                topic: (*topic).to_owned(),
                partition: *partition,
                next: start.unwrap_or_default(),
                goal: 0,
            })
            .collect();
        let mut reader = Self { consumer, partitions };
        reader.aim_at_end()?;
        Ok(reader)
    }

    /// Moves the goal to where the partitions end now.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub fn aim_at_end(&mut self) -> anyhow::Result<()> {
        for progress in &mut self.partitions {
            let (low, high) = self
                .consumer
                .fetch_watermarks(&progress.topic, progress.partition, METADATA_TIMEOUT)
                .with_context(|| format!("cannot read the end of {}[{}]", progress.topic, progress.partition))?;
            progress.goal = high;
            progress.next = progress.next.max(low);
        }
        Ok(())
    }

    /// Whether everything up to the goal has been handed out.
    pub fn is_caught_up(&self) -> bool {
        self.partitions.iter().all(|p| p.next >= p.goal)
    }

    /// How many messages are still to be read up to the goal.
    pub fn behind(&self) -> i64 {
        self.partitions.iter().map(|p| (p.goal - p.next).max(0)).sum()
    }

    /// Waits up to `timeout` for a message, then hands out what is there; returns how many that were.
    ///
    /// Passing trouble (a broker that restarts) is waited out inside: the client connects again by itself.
    ///
    /// # Errors
    /// When the client itself has failed for good.
    pub fn poll(
        &mut self,
        timeout: Duration,
        mut apply: impl FnMut(&BorrowedMessage<'_>),
    ) -> Result<usize, KafkaError> {
        let mut wait = timeout;
        for count in 0..MAX_MESSAGES_PER_POLL {
            match self.consumer.poll(wait) {
                None => return Ok(count),
                Some(Ok(message)) => {
                    apply(&message);
                    let at = (message.topic(), message.partition());
                    if let Some(progress) = self.partitions.iter_mut().find(|p| (p.topic.as_str(), p.partition) == at) {
                        progress.next = message.offset() + 1;
                    }
                }
                Some(Err(error)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) => return Err(error),
                Some(Err(error)) => tracing::debug!(%error, "Kafka is out of reach; the client tries again"),
            }
            wait = Duration::ZERO;
        }
        Ok(MAX_MESSAGES_PER_POLL)
    }

    /// Reads up to where the partitions end now.
    ///
    /// # Errors
    /// When Kafka does not answer, or the end is not reached within `timeout`.
    pub fn read_to_end(&mut self, timeout: Duration, apply: impl FnMut(&BorrowedMessage<'_>)) -> anyhow::Result<()> {
        self.read_to_end_unless(&CancellationToken::new(), timeout, apply)
    }

    /// The same, unless asked to stop before.
    ///
    /// # Errors
    /// As [`Self::read_to_end`], and when asked to stop.
    pub fn read_to_end_unless(
        &mut self,
        stop: &CancellationToken,
        timeout: Duration,
        mut apply: impl FnMut(&BorrowedMessage<'_>),
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        self.aim_at_end()?;
        while !self.is_caught_up() {
            anyhow::ensure!(!stop.is_cancelled(), "asked to stop with {} messages still unread", self.behind());
            self.poll(Duration::from_millis(100), &mut apply)?;
            if started.elapsed() > timeout {
                anyhow::bail!("{} messages still unread after {} s", self.behind(), timeout.as_secs());
            }
        }
        Ok(())
    }
}
