//! Sending letters back: which may go, and the record that they went.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use anyhow::{Context, anyhow};
use chrono::Utc;
use clap::Args;
use rdkafka::Message;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::{Delivery, DeliveryFuture};
use rdkafka::producer::{FutureProducer, FutureRecord};
use schemas::events::{DeadLetterReplay, REPLAY_HEADER, VERSION};
use service::{ErasedPeople, KafkaConfig, TopicReader};

use super::event_kind::EventKind;
use super::letters::Letter;
use super::listing::time;

/// How many messages are under way at once.
const CHUNK: usize = 500;
const READ_TIMEOUT: Duration = Duration::from_secs(300);

/// What is sent back although it would be refused otherwise.
#[derive(Debug, Clone, Copy, Args)]
pub struct Rules {
    /// Send letters back that were sent back before.
    #[arg(long)]
    again: bool,
    /// Send a venue back although the directory has a newer message about it, which it then replaces.
    #[arg(long)]
    overwrite: bool,
}

/// A message that may be sent back.
#[derive(Debug)]
pub struct Planned {
    letter: i64,
    kind: EventKind,
    topic: String,
    /// Set for a message without a key, which only its partition places.
    partition: Option<i32>,
    /// Where the letter's message was.
    origin: (i32, i64),
    /// When it was found, in milliseconds since 1970: by then it had come to Kafka.
    found_at_ms: i64,
    key: Vec<u8>,
    value: Vec<u8>,
    corrected: bool,
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.corrected { "corrected" } else { "as it was" };
        write!(f, "letter {} → {}, {} bytes, {how}", self.letter, self.topic, self.value.len())
    }
}

/// The original bytes, under the original key.
///
/// # Errors
/// Why the letter cannot be sent back as it is.
pub fn plan_original(letter: &Letter, kafka: &KafkaConfig, rules: &Rules) -> Result<Planned, String> {
    let topic = &letter.content.topic;
    let kind = EventKind::of(topic, &kafka.topics()).ok_or_else(|| format!("letters are not sent back to {topic}"))?;
    not_sent_before(letter, rules)?;
    let text = |error: anyhow::Error| format!("{error:#}");
    let (key, value) = (letter.key().map_err(text)?, letter.value().map_err(text)?);
    // As it is it would only become a letter again.
    kind.check(&value).map_err(|problem| format!("{problem}; correct it with `venuecode dead-letters fix`"))?;
    let partition = key.is_empty().then_some(letter.content.partition);
    Ok(planned(letter, kind, partition, key, value, false))
}

/// A corrected value, under the key that belongs to it.
///
/// # Errors
/// What is wrong with the value, naming the field.
pub fn plan_corrected(letter: &Letter, kind: EventKind, value: Vec<u8>, rules: &Rules) -> Result<Planned, String> {
    not_sent_before(letter, rules)?;
    let key = kind.check(&value)?.into_bytes();
    Ok(planned(letter, kind, None, key, value, true))
}

fn not_sent_before(letter: &Letter, rules: &Rules) -> Result<(), String> {
    match letter.replays.last() {
        Some(replay) if !rules.again => {
            Err(format!("was sent back at {}; --again sends it once more", time(replay.replayed_at)))
        }
        _ => Ok(()),
    }
}

fn planned(
    letter: &Letter,
    kind: EventKind,
    partition: Option<i32>,
    key: Vec<u8>,
    value: Vec<u8>,
    corrected: bool,
) -> Planned {
    let content = &letter.content;
    let (topic, origin) = (content.topic.clone(), (content.partition, content.offset));
    let found_at_ms = content.found_at.saturating_mul(1000);
    Planned { letter: letter.offset, kind, topic, partition, origin, found_at_ms, key, value, corrected }
}

/// Sets apart what is not to go: venues that are overtaken, and what was erased of a person.
///
/// # Errors
/// Kafka does not answer.
pub async fn admissible(
    plans: Vec<Planned>,
    kafka: &KafkaConfig,
    rules: &Rules,
) -> anyhow::Result<(Vec<Planned>, Vec<(i64, String)>)> {
    let (plans, mut refused) = without_overtaken(plans, kafka, rules).await?;
    let reading = kafka.clone();
    let erased = tokio::task::spawn_blocking(move || ErasedPeople::open(&reading)).await??.known();
    let is_erased = |plan: &Planned| {
        let topic = plan.topic.strip_prefix(&kafka.topic_prefix).unwrap_or(&plan.topic);
        erased.has_message(topic, &plan.value, plan.found_at_ms)
    };
    let (gone, good): (Vec<_>, Vec<_>) = plans.into_iter().partition(is_erased);
    refused.extend(gone.iter().map(|plan| (plan.letter, "is of a person who was erased since".to_owned())));
    Ok((good, refused))
}

/// Sets apart the venues of which the directory has heard since: of several messages the last one sent is what holds.
///
/// # Errors
/// Kafka does not answer.
async fn without_overtaken(
    plans: Vec<Planned>,
    kafka: &KafkaConfig,
    rules: &Rules,
) -> anyhow::Result<(Vec<Planned>, Vec<(i64, String)>)> {
    if rules.overwrite || !plans.iter().any(|plan| plan.kind == EventKind::Venue) {
        return Ok((plans, Vec::new()));
    }
    let reading = kafka.clone();
    let newest = tokio::task::spawn_blocking(move || newest_venues(&reading)).await??;
    let (mut good, mut overtaken) = (Vec::new(), Vec::new());
    for plan in plans {
        let newer = newest
            .get(&plan.key)
            .filter(|(partition, offset)| plan.kind == EventKind::Venue && (*partition, *offset) > plan.origin);
        match newer {
            None => good.push(plan),
            Some((partition, offset)) => overtaken.push((
                plan.letter,
                format!("{}/{partition}/{offset} is newer and would be replaced; --overwrite does so", plan.topic),
            )),
        }
    }
    Ok((good, overtaken))
}

/// Where the newest message of each venue is.
fn newest_venues(kafka: &KafkaConfig) -> anyhow::Result<HashMap<Vec<u8>, (i32, i64)>> {
    let topic = kafka.topics().venues;
    let consumer = kafka.reader().create().context("cannot set up a Kafka consumer")?;
    let count = service::kafka::partition_count(&consumer, &topic)?;
    let partitions: Vec<(&str, i32)> = (0..count).map(|partition| (topic.as_str(), partition)).collect();
    let mut newest = HashMap::new();
    TopicReader::try_new(kafka, &partitions)?
        .read_to_end(READ_TIMEOUT, |message| {
            newest.insert(message.key().unwrap_or_default().to_vec(), (message.partition(), message.offset()));
        })
        .context("cannot read the venue directory")?;
    Ok(newest)
}

/// Sends messages back and writes down that they went; gives their number.
///
/// The record comes after the message: one that says "sent back" is then true. Should this process end in between, the
/// letter can be sent back again, which stores nothing twice.
///
/// # Errors
/// Kafka does not acknowledge a message or its record; the error says how many have gone.
pub async fn send(kafka: &KafkaConfig, plans: &[Planned]) -> anyhow::Result<usize> {
    let mut config = kafka.producer();
    config.set("linger.ms", "1").set("message.timeout.ms", "20000");
    let producer: FutureProducer = config.create().context("cannot set up a Kafka producer")?;
    let dead_letters = kafka.topics().dead_letters;
    let mut sent = 0;
    for chunk in plans.chunks(CHUNK) {
        // Handed over in order before any is awaited, so that messages of one key keep theirs.
        let under_way: Vec<_> = chunk.iter().map(|plan| hand_over(&producer, plan, &dead_letters)).collect();
        let (mut notes, mut failure) = (Vec::new(), None);
        for (plan, delivery) in chunk.iter().zip(under_way) {
            match acknowledged(delivery).await {
                Ok(delivery) => notes.push((plan.letter, note(&producer, &dead_letters, plan, &delivery)?)),
                Err(error) => failure = failure.or(Some((plan.letter, error))),
            }
        }
        for (letter, delivery) in notes {
            acknowledged(delivery)
                .await
                .with_context(|| format!("letter {letter} was sent back, but that could not be written down"))?;
            sent += 1;
        }
        if let Some((letter, error)) = failure {
            return Err(anyhow!(error).context(format!("letter {letter} could not be sent back; {sent} others were")));
        }
    }
    Ok(sent)
}

fn hand_over(producer: &FutureProducer, plan: &Planned, dead_letters: &str) -> Result<DeliveryFuture, KafkaError> {
    let origin = format!("{dead_letters}/0/{}", plan.letter);
    let headers = OwnedHeaders::new().insert(Header { key: REPLAY_HEADER, value: Some(&origin) });
    let mut record = FutureRecord::<[u8], [u8]>::to(&plan.topic).payload(plan.value.as_slice()).headers(headers);
    match plan.partition {
        Some(partition) => record = record.partition(partition),
        None => record = record.key(plan.key.as_slice()),
    }
    producer.send_result(record).map_err(|(error, _)| error)
}

async fn acknowledged(under_way: Result<DeliveryFuture, KafkaError>) -> Result<Delivery, KafkaError> {
    under_way?.await.map_err(|_| KafkaError::Canceled)?.map_err(|(error, _)| error)
}

fn note(
    producer: &FutureProducer,
    dead_letters: &str,
    plan: &Planned,
    delivery: &Delivery,
) -> anyhow::Result<Result<DeliveryFuture, KafkaError>> {
    let replay = DeadLetterReplay {
        v: VERSION,
        replay_of: plan.letter,
        topic: plan.topic.clone(),
        partition: delivery.partition,
        offset: delivery.offset,
        corrected: plan.corrected,
        replayed_at: Utc::now().timestamp(),
    };
    let payload = serde_json::to_vec(&replay)?;
    let record = FutureRecord::to(dead_letters).key(&plan.topic).payload(&payload);
    Ok(producer.send_result(record).map_err(|(error, _)| error))
}
