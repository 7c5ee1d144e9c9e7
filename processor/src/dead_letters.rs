//! Sends what cannot be processed to `dead-letters`, before anything moves past it.

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use parking_lot::Mutex;
use rdkafka::{
    Message,
    producer::{FutureProducer, FutureRecord},
};
use schemas::events::DeadLetter;
use service::{KafkaConfig, TopicReader};

/// How long a dead letter may take to be acknowledged.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// How long reading the letters that are there already may take.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Where a message came from; identifies a dead letter.
pub type Origin = (String, i32, i64);

/// A message that cannot be processed.
pub struct Rejected<'a> {
    /// Where it came from.
    pub origin: Origin,
    /// Why it cannot be processed; says nothing of persons.
    pub reason: &'a str,
    /// What else the letter says, and the log does not: the words of ClickHouse may repeat values of the row.
    pub details: Option<&'a str>,
    /// Its key.
    pub key: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
}

/// The way to the topic of dead letters, with the origins of those that are there, so that a message read
/// again after a restart is not complained of twice.
///
/// A letter is a verdict: whoever reads the message after it treats it as one that cannot be processed.
pub struct DeadLetters {
    topic: String,
    producer: FutureProducer,
    reader: Mutex<TopicReader>,
    known: Mutex<HashMap<(String, i32), BTreeSet<i64>>>,
}

impl DeadLetters {
    /// Reads which letters are there.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub fn open(kafka: &KafkaConfig, producer: FutureProducer) -> anyhow::Result<Self> {
        let topic = kafka.topics().dead_letters;
        let reader = Mutex::new(TopicReader::try_new(kafka, &[(&topic, 0)])?);
        let letters = Self { topic, producer, reader, known: Mutex::default() };
        letters.catch_up()?;
        Ok(letters)
    }

    /// Reads which letters have come since, also from other instances.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub fn catch_up(&self) -> anyhow::Result<()> {
        let read = self.reader.lock().read_to_end(READ_TIMEOUT, |message| {
            let letter = message.payload().and_then(|bytes| serde_json::from_slice::<DeadLetter>(bytes).ok());
            if let Some(letter) = letter {
                self.know((letter.topic, letter.partition, letter.offset));
            }
        });
        read.context("cannot read the dead letters")
    }

    /// The offsets between these two of messages that there are letters about.
    pub fn between(&self, topic: &str, partition: i32, from: i64, to: i64) -> BTreeSet<i64> {
        let known = self.known.lock();
        let offsets = known.get(&(topic.to_owned(), partition));
        offsets.map(|offsets| offsets.range(from..=to).copied().collect()).unwrap_or_default()
    }

    fn know(&self, (topic, partition, offset): Origin) {
        self.known.lock().entry((topic, partition)).or_default().insert(offset);
    }

    /// Sends one letter and waits until it is kept; one that is there already is not sent again.
    ///
    /// # Errors
    /// When Kafka does not acknowledge it.
    pub async fn send(&self, rejected: &Rejected<'_>) -> anyhow::Result<()> {
        let (topic, partition, offset) = rejected.origin.clone();
        if !self.between(&topic, partition, offset, offset).is_empty() {
            return Ok(());
        }
        let reason = match rejected.details {
            Some(details) => format!("{}: {details}", rejected.reason),
            None => rejected.reason.to_owned(),
        };
        let found_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let letter = DeadLetter {
            v: schemas::events::VERSION,
            topic,
            partition,
            offset,
            reason,
            found_at: i64::try_from(found_at)?,
            key_hex: hex(rejected.key),
            value_hex: hex(rejected.value),
        };
        let payload = serde_json::to_vec(&letter)?;
        let record = FutureRecord::to(&self.topic).key(&letter.topic).payload(&payload);
        self.producer
            .send(record, SEND_TIMEOUT)
            .await
            .map_err(|(error, _)| error)
            .context("cannot send a dead letter")?;
        tracing::warn!(
            topic = letter.topic,
            partition,
            offset,
            reason = rejected.reason,
            "a message cannot be processed"
        );
        metrics::counter!(crate::metrics::DEAD_LETTERS).increment(1);
        self.know(rejected.origin.clone());
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
