//! What the embedded Kafka has stored of people who were erased is gone from its files, and its logs have no gaps.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Message, Offset, TopicPartitionList};
use schemas::{PersonDigest, PersonKey};
use serde_json::{Value, json};
use standalone::data_dir::DataDir;
use standalone::engines::kafka::removal::remove_erased;
use standalone::engines::kafka::storage::{Change, Storage};

use crate::broker::Broker;
use crate::privacy::search::files;
use crate::support::eventually;

const PATIENCE: Duration = Duration::from_secs(30);
const GONE: &str = "1123456789abcdef";
const OTHER: &str = "1fedcba987654321";
const BEFORE_MS: i64 = 1_653_000_000_000;

/// Offset, key, value, and how many headers.
type Read = (i64, Option<String>, Option<Value>, usize);

impl Broker {
    /// Sends messages one after the other, each with a header.
    fn send(&self, topic: &str, messages: &[(&str, Value)]) -> anyhow::Result<()> {
        let producer: FutureProducer = self.client.create()?;
        for (key, value) in messages {
            let value = value.to_string();
            let headers = OwnedHeaders::new().insert(Header { key: "of", value: Some(*key) });
            let record = FutureRecord::to(topic).key(*key).payload(&value).headers(headers);
            futures::executor::block_on(producer.send(record, PATIENCE)).map_err(|(error, _)| error)?;
        }
        Ok(())
    }

    /// Each message, up to where the log ends.
    fn read(&self, topic: &str) -> anyhow::Result<Vec<Read>> {
        let consumer: BaseConsumer = self.client.create()?;
        let (low, high) = consumer.fetch_watermarks(topic, 0, PATIENCE)?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Offset(low))?;
        consumer.assign(&list)?;
        let mut all: Vec<Read> = Vec::new();
        while all.last().map_or(low, |(offset, ..)| offset + 1) < high {
            let message = eventually("a message", || consumer.poll(Duration::from_millis(100)))??;
            let key = message.key().map(|key| String::from_utf8_lossy(key).into_owned());
            let value = message.payload().map(serde_json::from_slice).transpose()?;
            all.push((message.offset(), key, value, message.headers().map_or(0, Headers::count)));
        }
        Ok(all)
    }
}

fn scan(person: &str, accepted_at_ms: i64) -> Value {
    json!({"v": 1, "person": person, "accepted_at_ms": accepted_at_ms})
}

/// The record that an erasure was carried out, with its key.
fn done(person: &str, number: u32) -> anyhow::Result<(String, Value)> {
    let erasure = format!("00310101-0000-8000-8000-{number:012}");
    let grounds = json!({"digest": PersonDigest::of(person.parse::<PersonKey>()?), "before_ms": BEFORE_MS,
        "basis": "ordered", "evidence": "E", "asked_by": "li", "asked_at_ms": 1, "expires_at_ms": 1, "confirmed_by": "wu"});
    let action = json!({"type": "done", "removed": [], "remains": [], "grounds": grounds});
    Ok((format!("{erasure}/erased"), json!({"v": 1, "erasure": erasure, "at_ms": BEFORE_MS, "action": action})))
}

fn has(data: &DataDir, person: &str) -> anyhow::Result<bool> {
    Ok(files(data.path())?.iter().any(|(_, bytes)| memchr::memmem::find(bytes, person.as_bytes()).is_some()))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_person_is_in_no_byte_of_the_log_and_every_offset_stays() -> anyhow::Result<()> {
    let parent = tempfile::tempdir()?;
    let data = DataDir::open(&parent.path().join("d"))?;
    let (old, new) = (BEFORE_MS - 1, BEFORE_MS + 1);
    let broker = Broker::start(&data)?;
    // A deployment with a prefix and one without share the broker: each erases for itself.
    for topic in ["scans", "p.scans", "erasures", "p.erasures", "health"] {
        broker.create(topic, 1)?;
    }
    let scans =
        [(GONE, scan(GONE, old)), (OTHER, scan(OTHER, old)), (GONE, scan(GONE, old)), (OTHER, scan(OTHER, new))];
    broker.send("scans", &scans)?;
    broker.send("scans", &[(GONE, scan(GONE, old))])?;
    broker.send("p.scans", &[(OTHER, scan(OTHER, old))])?;
    let (key, record) = done(GONE, 1)?;
    broker.send("erasures", &[(&key, record)])?;
    let (key, record) = done(OTHER, 2)?;
    broker.send("p.erasures", &[(&key, record)])?;
    broker.stop()?;
    assert!(has(&data, GONE)?, "the search finds what is there");
    std::fs::create_dir(data.join("tables"))?;
    std::fs::write(data.join("tables/tables"), GONE)?;

    assert_eq!(remove_erased(&data).await?, 4);
    assert!(!has(&data, GONE)?, "in no file");
    let broker = Broker::start(&data)?;
    let emptied = |offset| (offset, None, None, 0);
    let kept = |offset, at| (offset, Some(OTHER.to_owned()), Some(scan(OTHER, at)), 1);
    assert_eq!(broker.read("scans")?, [emptied(0), kept(1, old), emptied(2), kept(3, new), emptied(4)]);
    assert_eq!(broker.read("p.scans")?, [emptied(0)]);
    assert_eq!(broker.read("erasures")?.len(), 1);
    // What is accepted after it is new; what is sent again late is not.
    broker.send("scans", &[(GONE, scan(GONE, new)), (GONE, scan(GONE, old))])?;
    broker.stop()?;
    assert_eq!(remove_erased(&data).await?, 1);
    let broker = Broker::start(&data)?;
    let read = broker.read("scans")?;
    assert_eq!(read[5..], [(5, Some(GONE.to_owned()), Some(scan(GONE, new)), 1), emptied(6)]);
    broker.stop()?;
    assert_eq!(remove_erased(&data).await?, 0, "nothing is done twice");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_has_deleted_itself_is_gone_from_the_file_as_well() -> anyhow::Result<()> {
    let parent = tempfile::tempdir()?;
    let data = DataDir::open(&parent.path().join("d"))?;
    let broker = Broker::start(&data)?;
    for topic in ["passing", "erasures"] {
        broker.create(topic, 1)?;
    }
    let many: Vec<_> = (0..50).map(|_| (GONE, scan(GONE, BEFORE_MS - 1))).collect();
    broker.send("passing", &many)?;
    let (key, record) = done(GONE, 1)?;
    broker.send("erasures", &[(&key, record)])?;
    broker.stop()?;
    // As its maintenance does when messages have expired.
    let file = data.join("kafka").join(broker::STORAGE_FILE);
    let connection = libsql::Builder::new_local(file).build().await?.connect()?;
    for table in ["header", "record"] {
        let passing = "SELECT p.id FROM topition p JOIN topic t ON t.id = p.topic WHERE t.name = 'passing'";
        connection.execute(&format!("DELETE FROM {table} WHERE topition IN ({passing})"), ()).await?;
    }
    drop(connection);
    assert!(has(&data, GONE)?, "free pages keep what was deleted");
    assert_eq!(remove_erased(&data).await?, 0);
    assert!(!has(&data, GONE)?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_cut_off_before_the_file_was_written_anew_is_made_up_for() -> anyhow::Result<()> {
    let parent = tempfile::tempdir()?;
    let data = DataDir::open(&parent.path().join("d"))?;
    let broker = Broker::start(&data)?;
    for topic in ["scans", "erasures"] {
        broker.create(topic, 1)?;
    }
    let (key, record) = done(GONE, 1)?;
    broker.send("erasures", &[(&key, record)])?;
    broker.stop()?;
    assert_eq!(remove_erased(&data).await?, 0);
    let broker = Broker::start(&data)?;
    broker.send("scans", &[(GONE, scan(GONE, BEFORE_MS - 1))])?;
    broker.stop()?;
    {
        let file = data.join("kafka").join(broker::STORAGE_FILE);
        let storage = Storage::open(&file).await?.expect("the broker has stored something");
        let partition = storage.partitions().await?.into_iter().find(|partition| partition.topic == "scans");
        let partition = partition.expect("a partition");
        storage.change(&[Change { partition, offset: 0, value: None }]).await?;
    }
    assert!(has(&data, GONE)?, "free pages keep what was emptied");
    assert_eq!(remove_erased(&data).await?, 0, "nothing is left to be changed");
    assert!(!has(&data, GONE)?);
    Ok(())
}
