//! Sends what cannot be processed to `dead-letters`, before anything moves past it.

use std::{
    collections::HashSet,
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
    /// Its key.
    pub key: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
}

/// The way to the topic of dead letters, with the origins of those that are there, so that a message read
/// again after a restart is not complained of twice.
pub struct DeadLetters {
    topic: String,
    producer: FutureProducer,
    known: Mutex<HashSet<Origin>>,
}

impl DeadLetters {
    /// Reads which letters are there.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub fn open(kafka: &KafkaConfig, producer: FutureProducer) -> anyhow::Result<Self> {
        let topic = kafka.topics().dead_letters;
        let mut known = HashSet::new();
        let mut reader = TopicReader::try_new(kafka, &[(&topic, 0)])?;
        let read = reader.read_to_end(READ_TIMEOUT, |message| {
            let letter = message.payload().and_then(|bytes| serde_json::from_slice::<DeadLetter>(bytes).ok());
            known.extend(letter.map(|letter| (letter.topic, letter.partition, letter.offset)));
        });
        read.context("cannot read the dead letters")?;
        Ok(Self { topic, producer, known: Mutex::new(known) })
    }

    /// Sends one letter and waits until it is kept; one that is there already is not sent again.
    ///
    /// # Errors
    /// When Kafka does not acknowledge it.
    pub async fn send(&self, rejected: &Rejected<'_>) -> anyhow::Result<()> {
        if self.known.lock().contains(&rejected.origin) {
            return Ok(());
        }
        let (topic, partition, offset) = rejected.origin.clone();
        let found_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let letter = DeadLetter {
            v: schemas::events::VERSION,
            topic,
            partition,
            offset,
            reason: rejected.reason.to_owned(),
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
            reason = letter.reason,
            "a message cannot be processed"
        );
        metrics::counter!(crate::metrics::DEAD_LETTERS).increment(1);
        self.known.lock().insert(rejected.origin.clone());
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
