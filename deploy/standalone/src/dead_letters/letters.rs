//! The letters on the topic, each with what was done about it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use rdkafka::Message;
use schemas::events::{DeadLetter, DeadLetterRecord, DeadLetterReplay};
use service::kafka::is_emptied;
use service::{KafkaConfig, TopicReader};

const READ_TIMEOUT: Duration = Duration::from_secs(300);

/// One letter.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Its offset, by which it is known.
    pub offset: i64,
    /// What it says.
    pub content: DeadLetter,
    /// When and where to it was sent back, in order.
    pub replays: Vec<DeadLetterReplay>,
}

impl Letter {
    /// The original key.
    ///
    /// # Errors
    /// It is not hexadecimal.
    pub fn key(&self) -> anyhow::Result<Vec<u8>> {
        hex::decode(&self.content.key_hex).with_context(|| format!("letter {}: field `key_hex`", self.offset))
    }

    /// The original value.
    ///
    /// # Errors
    /// It is not hexadecimal.
    pub fn value(&self) -> anyhow::Result<Vec<u8>> {
        hex::decode(&self.content.value_hex).with_context(|| format!("letter {}: field `value_hex`", self.offset))
    }
}

/// Reads all letters, oldest first.
///
/// # Errors
/// Kafka does not answer or has no such topic.
pub async fn read(kafka: &KafkaConfig) -> anyhow::Result<Vec<Letter>> {
    let kafka = kafka.clone();
    tokio::task::spawn_blocking(move || read_blocking(&kafka)).await?
}

fn read_blocking(kafka: &KafkaConfig) -> anyhow::Result<Vec<Letter>> {
    let topic = kafka.topics().dead_letters;
    let mut records = Vec::new();
    let mut reader = TopicReader::try_new(kafka, &[(&topic, 0)])?;
    reader
        .read_to_end(READ_TIMEOUT, |message| {
            if !is_emptied(message) {
                records.push((message.offset(), serde_json::from_slice(message.payload().unwrap_or_default())));
            }
        })
        .with_context(|| format!("cannot read {topic}"))?;
    let (mut letters, mut replays) = (BTreeMap::new(), Vec::new());
    for (offset, record) in records {
        match record {
            Ok(DeadLetterRecord::Letter(content)) => {
                letters.insert(offset, Letter { offset, content, replays: Vec::new() });
            }
            Ok(DeadLetterRecord::Replay(replay)) => replays.push(replay),
            Err(_) => eprintln!("{topic}: the record at offset {offset} is of a kind that is not known here"),
        }
    }
    for replay in replays {
        // Its letter may have expired.
        if let Some(letter) = letters.get_mut(&replay.replay_of) {
            letter.replays.push(replay);
        }
    }
    Ok(letters.into_values().collect())
}

/// The letter with this offset.
///
/// # Errors
/// There is none.
pub fn find(letters: &[Letter], offset: i64) -> anyhow::Result<&Letter> {
    letters
        .iter()
        .find(|letter| letter.offset == offset)
        .with_context(|| format!("there is no letter {offset}; `venuecode dead-letters list` shows those that are"))
}
