//! Who reads from the embedded Kafka has each message when it is produced, however long they would have waited.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Message, Offset, TopicPartitionList};
use standalone::data_dir::DataDir;

use crate::broker::Broker;

/// A minute, the most that librdkafka takes without further settings.
const WAIT_MS: &str = "60000";
/// Far less than that, and far more than it takes on a slow machine.
const SOON: Duration = Duration::from_secs(20);

/// A reader of all partitions of a topic from their beginning, with the longest wait of its fetches.
fn reader(broker: &Broker, topic: &str, partitions: i32, wait_ms: &str) -> anyhow::Result<BaseConsumer> {
    let mut config = broker.client.clone();
    let reader: BaseConsumer = config.set("fetch.wait.max.ms", wait_ms).set("socket.timeout.ms", "120000").create()?;
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    reader.assign(&list)?;
    Ok(reader)
}

fn produce(producer: &BaseProducer, topic: &str, partition: i32, payload: &str) -> anyhow::Result<()> {
    let record = BaseRecord::to(topic).key("k").payload(payload).partition(partition);
    producer.send(record).map_err(|(error, _)| error)?;
    Ok(producer.flush(SOON)?)
}

fn read(reader: &BaseConsumer) -> anyhow::Result<String> {
    let message = reader.poll(SOON).context("no message came while the fetch could still wait")??;
    Ok(String::from_utf8_lossy(message.payload().context("a payload")?).into_owned())
}

#[test]
fn a_fetch_that_waits_is_answered_when_a_message_comes() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let broker = Broker::start(&DataDir::open(&directory.path().join("d"))?)?;
    broker.create("waited_for", 1)?;
    let (reader, producer) = (reader(&broker, "waited_for", 1, WAIT_MS)?, broker.client.create()?);
    for number in 0..9 {
        // Time for the fetch that finds nothing to be under way.
        ensure!(reader.poll(Duration::from_millis(300)).is_none(), "a message that nobody produced");
        let payload = number.to_string();
        produce(&producer, "waited_for", 0, &payload)?;
        assert_eq!(read(&reader)?, payload);
    }
    Ok(())
}

#[test]
fn a_reader_that_has_asked_often_for_what_is_not_there_gets_it_once_it_is() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let broker = Broker::start(&DataDir::open(&directory.path().join("d"))?)?;
    broker.create("asked_for", 2)?;
    let (reader, producer) = (reader(&broker, "asked_for", 2, "20")?, broker.client.create()?);
    for number in 0..20 {
        ensure!(reader.poll(Duration::from_millis(100)).is_none(), "a message that nobody produced");
        let payload = number.to_string();
        produce(&producer, "asked_for", number % 2, &payload)?;
        assert_eq!(read(&reader)?, payload);
    }
    Ok(())
}

#[test]
fn a_fetch_that_finds_nothing_takes_its_time_and_one_of_a_topic_that_is_not_there_harms_nobody() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let mut broker = Broker::start(&DataDir::open(&directory.path().join("d"))?)?;
    broker.create("silent", 1)?;
    broker.client.set("enable.partition.eof", "true");
    let silent = reader(&broker, "silent", 1, "2000")?;
    let began = Instant::now();
    ensure!(matches!(silent.poll(SOON), Some(Err(KafkaError::PartitionEOF(0)))), "the end was not told");
    ensure!(began.elapsed() >= Duration::from_millis(1_500), "{:?}", began.elapsed());
    let _missing = reader(&broker, "missing", 1, "20")?;
    produce(&broker.client.create()?, "silent", 0, "heard")?;
    assert_eq!(read(&silent)?, "heard");
    Ok(())
}
