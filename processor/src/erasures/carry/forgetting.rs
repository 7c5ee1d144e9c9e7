//! Keys of compacted topics under which something of a person is kept: each gets a message without a value, by which
//! gateways let go of it and compaction removes what was there. What came under the key after the erasure counts; it lies in
//! front of that message, so it is sent once more behind it.

use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    producer::{FutureProducer, FutureRecord, future_producer::Delivery},
};
use schemas::{PersonKey, city::FormKind};
use service::{
    KafkaConfig,
    kafka::{METADATA_TIMEOUT, reader_at},
};

/// How long a message may take to be acknowledged.
const SEND_TIMEOUT: Duration = Duration::from_secs(15);
/// How long reading what came since may take.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Forgets a person's keys. What came since a time, in milliseconds since 1970, stays.
///
/// # Errors
/// When Kafka does not answer.
pub async fn forget(
    kafka: &KafkaConfig,
    producer: &FutureProducer,
    person: PersonKey,
    since_ms: i64,
) -> anyhow::Result<()> {
    let topics = kafka.topics();
    let forms = [FormKind::Venue, FormKind::Freight].map(|form| format!("{person}/{}", form.as_str()));
    let keys = forms.map(|key| (&topics.identities, key)).into_iter();
    for (topic, key) in keys.chain([(&topics.health, person.to_string()), (&topics.tests, person.to_string())]) {
        let forgotten = send(producer, topic, &key, None).await?;
        let (kafka, at, named) = (kafka.clone(), (topic.clone(), forgotten.partition, forgotten.offset), key.clone());
        let newer = tokio::task::spawn_blocking(move || came_since(&kafka, &at, named.as_bytes(), since_ms)).await??;
        for value in newer {
            send(producer, topic, &key, Some(&value)).await?;
        }
    }
    Ok(())
}

async fn send(producer: &FutureProducer, topic: &str, key: &str, value: Option<&[u8]>) -> anyhow::Result<Delivery> {
    let mut record = FutureRecord::<str, [u8]>::to(topic).key(key);
    record.payload = value;
    let sent = producer.send(record, SEND_TIMEOUT).await;
    sent.map_err(|(error, _)| anyhow!(error)).with_context(|| format!("{topic} does not take a message"))
}

/// The values that a key of a partition got since a time, of the messages before `end`, in their order.
fn came_since(
    kafka: &KafkaConfig,
    (topic, partition, end): &(String, i32, i64),
    key: &[u8],
    since_ms: i64,
) -> anyhow::Result<Vec<Vec<u8>>> {
    let asking: BaseConsumer = kafka.reader().create().context("cannot set up a Kafka consumer")?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, *partition, Offset::Offset(since_ms))?;
    let found = asking.offsets_for_times(list, METADATA_TIMEOUT).context("cannot look for an offset by its time")?;
    let Some(Offset::Offset(from)) = found.find_partition(topic, *partition).map(|entry| entry.offset()) else {
        return Ok(Vec::new());
    };
    let (reader, started) = (reader_at(&kafka.reader(), topic, *partition, from)?, Instant::now());
    let (mut next, mut values) = (from, Vec::new());
    while next < *end {
        match reader.poll(Duration::from_millis(100)) {
            // The message behind which this ends is there, whatever was compacted away in front of it.
            Some(Ok(message)) if message.offset() >= *end => break,
            Some(Ok(message)) => {
                next = message.offset() + 1;
                let is_newer = message.timestamp().to_millis().is_some_and(|at_ms| at_ms >= since_ms);
                if is_newer && message.key() == Some(key) {
                    values.extend(message.payload().map(<[u8]>::to_vec));
                }
            }
            Some(Err(error)) => tracing::debug!(%error, "Kafka is out of reach; the client tries again"),
            None if started.elapsed() > READ_TIMEOUT => bail!("cannot read {topic} up to offset {end}"),
            None => {}
        }
    }
    Ok(values)
}
