//! `venuecode retention check`: looks whether anything is left that is older than the city keeps it.
//!
//! It asks tables and topics themselves, not the processor that forgets.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand};
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use schemas::Retention;
use schemas::stores::{TABLES, TOPICS, TableKept, TopicKept};
use service::kafka::{METADATA_TIMEOUT, partition_count, reader_at};
use service::{ClickHouseConfig, KafkaConfig, city::read_city};

/// Shown under `venuecode retention --help`.
pub const EXAMPLES: &str = "\
Each table and topic gets a line: what it says of people, how long it is kept, and how much of it is older than that. The
exit status is 1 when anything is.

Examples:
  Of `venuecode up --data ./data`:
    VENUECODE_CLICKHOUSE_PASSWORD=$(cat data/secrets/clickhouse-query) venuecode retention check --clickhouse-user query

  Of a cluster:
    venuecode retention check --city kaifeng --clickhouse http://clickhouse-1:8123 --kafka kafka-1:9092";

/// How long the first message of a partition is waited for; a partition that ends in forgotten messages has none.
const PEEK: Duration = Duration::from_secs(5);
/// Brokers look for what is past every few minutes.
const GRACE_MS: i64 = 3_600_000;
const DAY_MS: i64 = 86_400_000;

/// Subcommands of `venuecode retention`.
#[derive(Debug, Subcommand)]
pub enum RetentionCommand {
    /// Find what is older than the city keeps it.
    Check(CheckArgs),
}

/// Flags of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// City profile: the name of a built-in one, or the path of a .toml file
    #[arg(long, env = "VENUECODE_CITY", default_value = "shanghai", value_name = "NAME|FILE")]
    city: String,
    #[command(flatten)]
    clickhouse: ClickHouseConfig,
    #[command(flatten)]
    kafka: KafkaConfig,
}

/// Runs a subcommand.
///
/// # Errors
/// Kafka or ClickHouse cannot be read, or something is past.
pub async fn run(command: RetentionCommand) -> anyhow::Result<()> {
    let RetentionCommand::Check(args) = command;
    let retention = Retention::of(&read_city(&args.city).context("--city")?);
    let now = Utc::now();
    println!("checked {}, {} keeps {} days", time(now.timestamp_millis()), args.city, retention.days());
    let tables = check_tables(&args.clickhouse, retention.horizon(now.timestamp())).await?;
    let check = move || check_topics(&args.kafka, retention, now.timestamp_millis());
    let topics = tokio::task::spawn_blocking(check).await??;
    let past = [tables, topics].concat();
    ensure!(past.is_empty(), "older than the city keeps it: {}", past.join(", "));
    println!("nothing is older than the city keeps it");
    Ok(())
}

/// Prints a line per table and returns those in which something is past.
async fn check_tables(clickhouse: &ClickHouseConfig, horizon: i64) -> anyhow::Result<Vec<String>> {
    let client = clickhouse.query_client();
    let mut found = Vec::new();
    for table in TABLES {
        let (name, holds, kept) = (table.name, table.holds.as_str(), table.kept.words());
        let mut past = 0_u64;
        if let TableKept::Retention { past: is_past, .. } = table.kept {
            let count =
                format!("SELECT count() FROM {name} WHERE {}", is_past.replace("{horizon}", &horizon.to_string()));
            past = client
                .query(&count)
                .fetch_one()
                .await
                .with_context(|| format!("cannot count what is past in {name}"))?;
        }
        println!("table {name}: {holds}; kept: {kept}; past: {past} rows");
        if past > 0 {
            found.push(format!("{past} rows of {name}"));
        }
    }
    Ok(found)
}

/// Prints a line per topic and returns those in which something is past.
fn check_topics(kafka: &KafkaConfig, retention: Retention, now_ms: i64) -> anyhow::Result<Vec<String>> {
    let consumer: BaseConsumer = kafka.reader().create().context("cannot set up a Kafka consumer")?;
    let mut found = Vec::new();
    for topic in TOPICS {
        let (name, holds, kept) =
            (format!("{}{}", kafka.topic_prefix, topic.name), topic.holds.as_str(), topic.kept.words());
        let TopicKept::AtMostDays(days) = topic.kept else {
            println!("topic {name}: {holds}; kept: {kept}");
            continue;
        };
        let mut oldest: Option<i64> = None;
        for partition in 0..partition_count(&consumer, &name)? {
            let first = first_ms(kafka, &consumer, &name, partition)?;
            oldest = oldest.into_iter().chain(first).min();
        }
        let told = oldest.map_or_else(|| "none".to_owned(), time);
        println!("topic {name}: {holds}; kept: {kept}; oldest message: {told}");
        let horizon_ms = now_ms - i64::from(retention.days().min(days)) * DAY_MS - GRACE_MS;
        if oldest.is_some_and(|oldest| oldest < horizon_ms) {
            found.push(format!("a message of {told} on {name}"));
        }
    }
    Ok(found)
}

/// When the first message of a partition came, if there is one.
fn first_ms(kafka: &KafkaConfig, ends: &BaseConsumer, topic: &str, partition: i32) -> anyhow::Result<Option<i64>> {
    let (low, high) = ends
        .fetch_watermarks(topic, partition, METADATA_TIMEOUT)
        .with_context(|| format!("cannot read the ends of {topic}[{partition}]"))?;
    if low >= high {
        return Ok(None);
    }
    let (reader, started) = (reader_at(&kafka.reader(), topic, partition, low)?, Instant::now());
    while started.elapsed() < PEEK {
        if let Some(Ok(message)) = reader.poll(Duration::from_millis(100)) {
            return Ok(message.timestamp().to_millis());
        }
    }
    Ok(None)
}

fn time(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms)
        .map_or_else(|| ms.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
}
