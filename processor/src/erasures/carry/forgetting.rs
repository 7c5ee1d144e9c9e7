//! Keys of compacted topics under which something of a person is kept: each gets a message without a value, by which
//! gateways let go of it and compaction removes what was there. What came under the key after the erasure counts; it lies in
//! front of that message, so it is sent once more behind it, each value once however often this is done.

use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    producer::{FutureProducer, FutureRecord, future_producer::Delivery},
};
use schemas::{Erased, PersonKey, city::FormKind, topics};
use service::{
    KafkaConfig,
    kafka::{METADATA_TIMEOUT, reader_at},
};

/// How long a message may take to be acknowledged.
const SEND_TIMEOUT: Duration = Duration::from_secs(15);
/// How long reading what came since may take.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// A key that is forgotten.
struct Key {
    /// The topic, without and with the prefix.
    topic: (&'static str, String),
    key: String,
    /// Whether the last value alone counts, whatever came before.
    last_counts: bool,
}

/// A value that came under a key, and when, in milliseconds since 1970.
type Came = (Vec<u8>, Option<i64>);

/// Forgets a person's keys. What came since a time, in milliseconds since 1970, stays, and keeps its own time.
///
/// # Errors
/// When Kafka does not answer.
pub async fn forget(
    kafka: &KafkaConfig,
    producer: &FutureProducer,
    person: PersonKey,
    since_ms: i64,
) -> anyhow::Result<()> {
    let of = kafka.topics();
    let forms = FormKind::ALL.map(|form| format!("{person}/{}", form.as_str()));
    let identities =
        forms.map(|key| Key { topic: (topics::IDENTITIES, of.identities.clone()), key, last_counts: true }).into_iter();
    let colours = [(topics::HEALTH, of.health), (topics::TESTS, of.tests)].into_iter();
    let colours = colours.map(|topic| Key { topic, key: person.to_string(), last_counts: false });
    for key in identities.chain(colours) {
        forget_key(kafka, producer, &key, (person, since_ms)).await?;
    }
    Ok(())
}

async fn forget_key(
    kafka: &KafkaConfig,
    producer: &FutureProducer,
    key: &Key,
    (person, since_ms): (PersonKey, i64),
) -> anyhow::Result<()> {
    let Delivery { partition, offset: mut end, .. } = send(producer, key, None).await?;
    let place = (key.topic.1.clone(), partition);
    let mut from = first_since(kafka.clone(), place.clone(), since_ms).await?;
    let erased = Erased::one(person, since_ms);
    let mut sent: Vec<Vec<u8>> = Vec::new();
    // What comes in while this sends would count for less than what lies behind it, so it is looked for again.
    while let Some(start) = from {
        let came = came(kafka.clone(), place.clone(), (start, end), key.key.clone().into_bytes()).await?;
        let counts = |(value, at_ms): &Came| {
            at_ms.is_some_and(|at_ms| at_ms >= since_ms && !erased.has_message(key.topic.0, value, at_ms))
        };
        let newer = unsent(came.into_iter().filter(counts), &sent, key.last_counts);
        from = (!newer.is_empty()).then_some(end + 1);
        for came in newer {
            end = send(producer, key, Some(&came)).await?.offset;
            sent.push(came.0);
        }
    }
    Ok(())
}

/// Of what came those values that were not sent again yet, each once, in their order; the last alone if only that counts.
fn unsent(came: impl Iterator<Item = Came>, sent: &[Vec<u8>], last_counts: bool) -> Vec<Came> {
    let mut newer: Vec<Came> = Vec::new();
    for came in came {
        if !sent.contains(&came.0) && !newer.iter().any(|(value, _)| *value == came.0) {
            newer.push(came);
        }
    }
    if last_counts { newer.pop().into_iter().collect() } else { newer }
}

async fn send(producer: &FutureProducer, key: &Key, came: Option<&Came>) -> anyhow::Result<Delivery> {
    let mut record = FutureRecord::<str, [u8]>::to(&key.topic.1).key(&key.key);
    if let Some((value, at_ms)) = came {
        (record.payload, record.timestamp) = (Some(value.as_slice()), *at_ms);
    }
    let sent = producer.send(record, SEND_TIMEOUT).await;
    sent.map_err(|(error, _)| anyhow!(error)).with_context(|| format!("{} does not take a message", key.topic.0))
}

/// The first offset of a partition with a message since a time, in milliseconds since 1970; none when there is no such one.
async fn first_since(
    kafka: KafkaConfig,
    (topic, partition): (String, i32),
    since_ms: i64,
) -> anyhow::Result<Option<i64>> {
    let look = move || {
        let asking: BaseConsumer = kafka.reader().create().context("cannot set up a Kafka consumer")?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, partition, Offset::Offset(since_ms))?;
        let found =
            asking.offsets_for_times(list, METADATA_TIMEOUT).context("cannot look for an offset by its time")?;
        Ok(match found.find_partition(&topic, partition).map(|entry| entry.offset()) {
            Some(Offset::Offset(from)) => Some(from),
            _ => None,
        })
    };
    tokio::task::spawn_blocking(look).await?
}

/// What a key of a partition got from one offset on, of the messages before another one that is there, in their order.
async fn came(
    kafka: KafkaConfig,
    (topic, partition): (String, i32),
    (from, end): (i64, i64),
    key: Vec<u8>,
) -> anyhow::Result<Vec<Came>> {
    let read = move || {
        let (reader, started) = (reader_at(&kafka.reader(), &topic, partition, from)?, Instant::now());
        let (mut next, mut values) = (from, Vec::new());
        while next < end {
            match reader.poll(Duration::from_millis(100)) {
                // The message behind which this ends is there, whatever was compacted away in front of it.
                Some(Ok(message)) if message.offset() >= end => break,
                Some(Ok(message)) => {
                    next = message.offset() + 1;
                    if message.key() == Some(key.as_slice()) {
                        let at_ms = message.timestamp().to_millis();
                        values.extend(message.payload().map(|value| (value.to_vec(), at_ms)));
                    }
                }
                Some(Err(error)) => tracing::debug!(%error, "Kafka is out of reach; the client tries again"),
                None if started.elapsed() > READ_TIMEOUT => bail!("cannot read {topic} up to offset {end}"),
                None => {}
            }
        }
        Ok(values)
    };
    tokio::task::spawn_blocking(read).await?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_sent_again_once_and_of_registrations_the_last() {
        let came = |names: &[&str]| names.iter().map(|name| (name.as_bytes().to_vec(), Some(1))).collect::<Vec<_>>();
        let again = |names: &[&str], sent: &[&str], last_counts| {
            let sent: Vec<Vec<u8>> = sent.iter().map(|name| name.as_bytes().to_vec()).collect();
            unsent(came(names).into_iter(), &sent, last_counts)
        };
        assert_eq!(again(&["a", "b", "a", "b"], &[], false), came(&["a", "b"]), "as another attempt left them");
        assert_eq!(again(&["a", "b", "b"], &[], true), came(&["b"]));
        assert_eq!(again(&["b"], &["b"], true), came(&[]), "what lies behind is its own");
        assert_eq!(again(&["c", "b"], &["b"], true), came(&["c"]), "but for what came meanwhile");
    }
}
