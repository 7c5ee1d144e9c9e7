//! What the engines have acknowledged survives `kill -9`, and a killed engine comes back by itself.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::support::{Venuecode, eventually, kill, pid, runs};

const TOPIC: &str = "survival";

#[test]
fn rows_survive_a_kill_of_every_process() -> anyhow::Result<()> {
    let data = tempfile::tempdir()?;
    let (mut exec, environment) = Venuecode::exec_and_wait(data.path())?;
    environment.admin("CREATE DATABASE d")?;
    environment.admin("CREATE TABLE d.t (x UInt32) ENGINE = MergeTree ORDER BY x")?;
    environment.admin("INSERT INTO d.t SELECT number FROM numbers(1000)")?;
    let engines = [pid(data.path(), "clickhouse", None)?, pid(data.path(), "kafka", None)?];
    exec.kill()?;
    for engine in engines {
        // Gone already if it noticed the end of its parent first.
        let _ = kill(engine);
    }
    eventually("the engines to end", || engines.iter().all(|pid| !runs(*pid)).then_some(()))?;

    let (_exec, environment) = Venuecode::exec_and_wait(data.path())?;
    assert_eq!(environment.admin("SELECT count(), sum(x) FROM d.t")?, "1000\t499500");
    Ok(())
}

#[test]
fn a_killed_clickhouse_comes_back_with_its_rows() -> anyhow::Result<()> {
    let data = tempfile::tempdir()?;
    let (_exec, environment) = Venuecode::exec_and_wait(data.path())?;
    environment.admin("CREATE TABLE default.t (x UInt32) ENGINE = MergeTree ORDER BY x")?;
    environment.admin("INSERT INTO default.t SELECT number FROM numbers(1000)")?;
    let old = pid(data.path(), "clickhouse", None)?;
    kill(old)?;
    pid(data.path(), "clickhouse", Some(old))?;
    let count = eventually("ClickHouse", || environment.admin("SELECT count() FROM default.t").ok())?;
    assert_eq!(count, "1000");
    Ok(())
}

#[test]
fn acknowledged_messages_survive_a_kill_of_the_broker() -> anyhow::Result<()> {
    let data = tempfile::tempdir()?;
    let (_exec, environment) = Venuecode::exec_and_wait(data.path())?;
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", environment.get("VENUECODE_KAFKA")?).set("acks", "all");
    create_topic(&config)?;
    let producer: BaseProducer = config.create()?;
    for number in 0..100 {
        let payload = number.to_string();
        producer.send(BaseRecord::to(TOPIC).key("k").payload(&payload).partition(0)).map_err(|(error, _)| error)?;
    }
    producer.flush(Duration::from_secs(20))?;
    if producer.in_flight_count() > 0 {
        bail!("not everything was acknowledged");
    }

    let old = pid(data.path(), "kafka", None)?;
    kill(old)?;
    pid(data.path(), "kafka", Some(old))?;
    let expected: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    assert_eq!(read(&mut config, expected.len())?, expected);
    Ok(())
}

fn create_topic(config: &ClientConfig) -> anyhow::Result<()> {
    let admin: AdminClient<DefaultClientContext> = config.create()?;
    let topic = NewTopic::new(TOPIC, 1, TopicReplication::Fixed(1));
    let options = AdminOptions::new();
    let creation = admin.create_topics([&topic], &options);
    let results = tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(creation)?;
    for result in results {
        result.map_err(|(topic, code)| anyhow::anyhow!("cannot create {topic}: {code}"))?;
    }
    Ok(())
}

fn read(config: &mut ClientConfig, count: usize) -> anyhow::Result<Vec<String>> {
    let consumer: BaseConsumer = config.set("group.id", "survival").create()?;
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(TOPIC, 0, Offset::Beginning)?;
    consumer.assign(&assignment)?;
    let started = Instant::now();
    let mut payloads = Vec::new();
    while payloads.len() < count && started.elapsed() < Duration::from_secs(30) {
        // Errors are the broker coming back.
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(200)) {
            let payload = message.payload().context("no payload")?;
            payloads.push(String::from_utf8(payload.to_vec())?);
        }
    }
    Ok(payloads)
}
