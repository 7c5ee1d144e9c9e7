//! Puts outputs out: messages to Kafka in their order, rows to ClickHouse, each until it is acknowledged.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, anyhow};
use clickhouse::Client;
use rdkafka::producer::{FutureProducer, FutureRecord};
use service::ClickHouseConfig;

use super::{Message, Outputs, Row};
use crate::refusal::told;

/// How long a message may take to be acknowledged.
const SEND_TIMEOUT: Duration = Duration::from_secs(15);
/// So many messages are on their way at once: fewer than the producer's queue holds, however many there are.
const MESSAGES_AT_ONCE: usize = 10_000;
/// How long an insert may take.
pub const INSERT_TIMEOUT: Duration = Duration::from_secs(60);

/// The way out.
#[derive(Clone)]
pub struct Outlet {
    producer: FutureProducer,
    clickhouse: Client,
}

impl Outlet {
    /// A way to Kafka and into the database of the configuration.
    pub fn new(producer: FutureProducer, clickhouse: &ClickHouseConfig) -> Self {
        // A row names every column that it has; one that the table does not have is a mistake of ours.
        let client = clickhouse.insert_client().with_setting("input_format_skip_unknown_fields", "0");
        Self { producer, clickhouse: client }
    }

    /// Puts everything out. After an error nothing is known, and all of it is to be put out again.
    ///
    /// # Errors
    /// When Kafka or ClickHouse does not acknowledge.
    pub async fn put(&self, outputs: &Outputs) -> anyhow::Result<()> {
        send(&self.producer, &outputs.messages).await?;
        let mut tables: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        for Row { table, json } in &outputs.rows {
            let lines = tables.entry(table).or_default();
            lines.extend_from_slice(json);
            lines.push(b'\n');
        }
        for (table, lines) in tables {
            self.insert(table, lines).await.with_context(|| format!("cannot store rows of {table}"))?;
        }
        Ok(())
    }

    async fn insert(&self, table: &str, lines: Vec<u8>) -> anyhow::Result<()> {
        let sql = format!("INSERT INTO {table} FORMAT JSONEachRow");
        let mut insert =
            self.clickhouse.insert_formatted_with(sql).with_timeouts(Some(INSERT_TIMEOUT), Some(INSERT_TIMEOUT));
        let stored = async {
            insert.send(lines.into()).await?;
            insert.end().await
        };
        // ClickHouse's own words may repeat values of a row.
        stored.await.map_err(|error| anyhow!(told(error)))
    }
}

/// Sends messages and waits until Kafka has them all.
///
/// # Errors
/// When Kafka does not acknowledge one.
pub async fn send(producer: &FutureProducer, messages: &[Message]) -> anyhow::Result<()> {
    for some in messages.chunks(MESSAGES_AT_ONCE) {
        // These are handed over before the first is waited for, so that they travel together and in their order.
        let sent: Vec<_> = some
            .iter()
            .map(|message| {
                let mut record = FutureRecord::to(&message.topic).key(&message.key);
                record.timestamp = message.of_ms;
                record.payload = Some(&message.value).filter(|value| !value.is_empty());
                producer.send_result(record).map_err(|(error, _)| error)
            })
            .collect();
        for delivery in sent {
            let delivery = delivery.context("cannot hand a message over")?;
            let delivered = tokio::time::timeout(SEND_TIMEOUT, delivery).await.context("Kafka does not answer")?;
            delivered
                .map_err(|_| anyhow!("the producer has ended"))?
                .map_err(|(error, _)| error)
                .context("Kafka did not take a message")?;
        }
    }
    Ok(())
}
