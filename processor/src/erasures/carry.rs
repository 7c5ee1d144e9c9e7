//! Carrying an erasure out. Each step may be repeated, and all of them are when one fails or the process dies.
//!
//! 1. What was under way when the erasure was decided is waited for: whoever reads on after that leaves the person out, so
//!    that nothing of before is stored behind the last step. Here it fails while scans are far behind or ClickHouse is away,
//!    before anything was sent.
//! 2. The person's keys are forgotten on compacted topics; what came under them since stays ([`forgetting`]) and is waited
//!    for in its turn.
//! 3. The rows go, by mutations that write their parts anew and do not name the person (`schemas::stores`).

mod forgetting;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use clickhouse::Client;
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    producer::FutureProducer,
};
use schemas::{
    PersonKey, Retention,
    events::{Remains, Removed},
    stores::{Holds, PersonRows, TABLES, TOPICS, TableErased},
    topics,
};
use service::{
    KafkaConfig,
    clock::now_ms,
    kafka::{METADATA_TIMEOUT, partition_count},
};
use tokio_util::sync::CancellationToken;

use crate::{metrics, progress::Progress};

/// How long it is waited for what is under way before it is said that it takes long.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long one statement may take: writing the weeks of a large city anew takes minutes.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(3600);
/// Most rows, or things that they are of, that one mutation names.
const AT_ONCE: usize = 2_000;

/// What came of an erasure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// What was removed from tables.
    pub removed: Vec<Removed>,
    /// Where bytes may still be.
    pub remains: Vec<Remains>,
    /// When it was done, in milliseconds since 1970.
    pub done_at_ms: i64,
}

/// What it takes to carry erasures out.
pub struct Carrier {
    /// The tables; the server is to keep no words of what it asks ([`service::ClickHouseConfig::unlogged_client`]).
    pub clickhouse: Client,
    /// Where keys are forgotten.
    pub producer: FutureProducer,
    /// The same, to be read.
    pub kafka: KafkaConfig,
    /// How far the scans are that this instance stores.
    pub progress: Arc<Progress>,
    /// How long topics keep what they are told to forget.
    pub retention: Retention,
    /// Where requests run.
    pub runtime: tokio::runtime::Handle,
}

impl Carrier {
    /// Removes what was made or accepted of a person before a time, in milliseconds since 1970, after the decision has been
    /// written to the log; `None` when asked to stop before the end.
    ///
    /// # Errors
    /// When Kafka or ClickHouse does not answer, or what is under way takes long; all of it is to be done again.
    pub fn carry_out(
        &self,
        person: PersonKey,
        before_ms: i64,
        stop: &CancellationToken,
    ) -> anyhow::Result<Option<Carried>> {
        let started = Instant::now();
        if !self.wait(stop)? {
            return Ok(None);
        }
        let is_there = in_time(self.clickhouse.query("SELECT 1").fetch_one::<u8>());
        let Some(is_there) = self.runtime.block_on(stop.run_until_cancelled(is_there)) else { return Ok(None) };
        is_there?;
        self.runtime.block_on(forgetting::forget(&self.kafka, &self.producer, person, before_ms))?;
        if !self.wait(stop)? {
            return Ok(None);
        }
        let removing = stop.run_until_cancelled(remove(&self.clickhouse, person, before_ms));
        let Some(removed) = self.runtime.block_on(removing) else { return Ok(None) };
        let (removed, done_at_ms) = (removed?, now_ms());
        let (rows, elapsed_ms) =
            (removed.iter().map(|removed| removed.rows).sum::<u64>(), started.elapsed().as_millis());
        tracing::info!(rows, elapsed_ms, "erased a person");
        Ok(Some(Carried { removed, remains: self.remains(done_at_ms), done_at_ms }))
    }

    /// Waits until everything that came before now is stored or left out; `false` when asked to stop.
    ///
    /// In the order in which one leads to the other: scans raise alerts and move trips, trips raise alerts.
    fn wait(&self, stop: &CancellationToken) -> anyhow::Result<bool> {
        let topics = self.kafka.topics();
        let stored = |consumer: &BaseConsumer, partition| -> anyhow::Result<i64> {
            match self.progress.stored_up_to(partition) {
                Some(next) => Ok(i64::try_from(next)?),
                // Another instance has it, and says so.
                None => committed(consumer, &topics.scans, partition),
            }
        };
        let group = format!("{}processor", self.kafka.topic_prefix);
        if !self.wait_for(&topics.scans, &group, stored, stop)? {
            return Ok(false);
        }
        for topic in [&topics.identities, &topics.health, &topics.trips, &topics.alerts] {
            let done = |consumer: &BaseConsumer, partition| committed(consumer, topic, partition);
            if !self.wait_for(topic, &format!("{topic}-done"), done, stop)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits until each partition of a topic is dealt with up to where it ends now.
    fn wait_for(
        &self,
        topic: &str,
        group: &str,
        done: impl Fn(&BaseConsumer, i32) -> anyhow::Result<i64>,
        stop: &CancellationToken,
    ) -> anyhow::Result<bool> {
        let mut config = self.kafka.reader();
        config.set("group.id", group);
        let consumer: BaseConsumer = config.create().context("cannot set up a Kafka consumer")?;
        let started = Instant::now();
        for partition in 0..partition_count(&consumer, topic)? {
            let (low, high) = consumer
                .fetch_watermarks(topic, partition, METADATA_TIMEOUT)
                .with_context(|| format!("cannot read the end of {topic}[{partition}]"))?;
            // Of what has expired nobody may have said that it is done.
            while low < high && done(&consumer, partition)? < high {
                if stop.is_cancelled() {
                    return Ok(false);
                }
                if started.elapsed() > PATIENCE {
                    bail!("{topic}[{partition}] is not dealt with up to offset {high} after {} s", PATIENCE.as_secs());
                }
                std::thread::sleep(LOOK_EVERY);
            }
        }
        Ok(true)
    }

    /// Where bytes of the person may be, and until when: the broker removes them in its own time. On `identities` there
    /// is no end: a dependant's registration, which stays, may name the person as guardian.
    fn remains(&self, done_at_ms: i64) -> Vec<Remains> {
        let of_people =
            TOPICS.iter().filter(|topic| matches!(topic.holds, Holds::Persons | Holds::Movements | Holds::Sealed));
        let until = |ms: i64| done_at_ms.saturating_add(ms);
        let remains = of_people.map(|topic| Remains {
            topic: topic.name.to_owned(),
            until_ms: (topic.name != topics::IDENTITIES)
                .then(|| topic.kept.gone_after_ms(self.retention, self.kafka.kafka_compaction_lag))
                .flatten()
                .map(until),
        });
        remains.collect()
    }
}

/// Up to where a group says that a partition is dealt with; 0 when it has said nothing.
fn committed(consumer: &BaseConsumer, topic: &str, partition: i32) -> anyhow::Result<i64> {
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, partition);
    let committed = consumer.committed_offsets(list, METADATA_TIMEOUT).context("cannot read how far outputs are")?;
    Ok(match committed.find_partition(topic, partition).map(|entry| entry.offset()) {
        Some(Offset::Offset(offset)) => offset,
        _ => 0,
    })
}

/// Removes the rows of a person that are from before a time, in milliseconds since 1970, from every table that says so.
///
/// # Errors
/// When ClickHouse does not answer or refuses, or rows are left; what was removed by then stays removed.
pub async fn remove(clickhouse: &Client, person: PersonKey, before_ms: i64) -> anyhow::Result<Vec<Removed>> {
    let mut removed = Vec::new();
    for table in TABLES {
        let TableErased::Rows(rows) = table.erased else { continue };
        let rows = remove_from(clickhouse, (table.name, rows), person, before_ms);
        let rows = rows.await.with_context(|| format!("cannot remove a person from {}", table.name))?;
        ::metrics::counter!(metrics::ERASED_ROWS, "table" => table.name).increment(rows);
        removed.push(Removed { table: table.name.to_owned(), rows });
    }
    Ok(removed)
}

async fn remove_from(
    clickhouse: &Client,
    (table, PersonRows { of, by }): (&str, PersonRows),
    person: PersonKey,
    before_ms: i64,
) -> anyhow::Result<u64> {
    let by = by.replace("{salt}", &format!("{}, {}", rand::random::<u64>(), rand::random::<u64>()));
    // A projection has neither the rows nor their offsets.
    let select = |what: &str| format!("SELECT {what} FROM {table} WHERE {of} SETTINGS optimize_use_projections = 0");
    let ask =
        |what: &str| clickhouse.query(&select(what)).param("person", person.to_u64()).param("before_ms", before_ms);
    let count = || in_time(ask("count()").fetch_one::<u64>());
    let rows = count().await?;
    let names = in_time(ask(&format!("DISTINCT toString(({by}))")).fetch_all::<String>()).await?;
    for names in names.chunks(AT_ONCE) {
        let delete =
            format!("ALTER TABLE {table} DELETE WHERE ({by}) IN ({}) SETTINGS mutations_sync = 2", names.join(", "));
        in_time(clickhouse.query(&delete).execute()).await?;
    }
    let left = count().await?;
    ensure!(left == 0, "{left} rows are left");
    Ok(rows)
}

async fn in_time<T>(answer: impl Future<Output = Result<T, clickhouse::error::Error>>) -> anyhow::Result<T> {
    // ClickHouse's own words may repeat the values of a question.
    tokio::time::timeout(STATEMENT_TIMEOUT, answer)
        .await
        .context("ClickHouse does not answer")?
        .map_err(|error| anyhow::anyhow!(crate::refusal::told(error)))
}
