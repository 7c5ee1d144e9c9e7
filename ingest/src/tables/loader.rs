//! The thread that reads the compacted topics into the tables, for as long as the gateway runs.
//!
//! A message that cannot be used is counted and skipped here; reporting it is the processor's part.

use std::{
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::Context;
use metrics::{Counter, Gauge};
use rdkafka::{
    Message,
    consumer::{BaseConsumer, Consumer},
    message::BorrowedMessage,
};
use schemas::{CityProfile, Retention, Topics};
use service::{
    ErasedPeople, KafkaConfig, Readiness, TopicReader,
    kafka::{METADATA_TIMEOUT, is_emptied, partition_count},
    shutdown::WholeOrNone,
};
use tokio_util::sync::CancellationToken;

use super::{
    Mark, Table, Tables,
    keeper::Keeper,
    snapshot::{Ends, Origin},
};
use crate::{
    metrics::{skipped, snapshot_used, table_rows},
    producer::Position,
    state::now_ms,
};

/// The condition of `/readyz` that the loader meets.
pub const CONDITION: &str = "tables";
const POLL: Duration = Duration::from_millis(100);
const REPORT_EVERY: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long nothing may come while messages that the snapshot knows are still to be compared.
const VERIFY_PATIENCE: Duration = Duration::from_secs(10);

/// Reads the topics into the tables.
pub struct Loader {
    /// Where Kafka is.
    pub kafka: KafkaConfig,
    /// The city whose categories count.
    pub city: CityProfile,
    /// What is filled.
    pub tables: Arc<Tables>,
    /// Keeps snapshots of them, when there are to be any.
    pub keeper: Option<Arc<Keeper>>,
    /// Told when the tables are caught up.
    pub readiness: Readiness,
    /// Ends the thread.
    pub shutdown: CancellationToken,
    /// Cancelled if the thread panics.
    pub failed_for_good: CancellationToken,
}

/// Where reading starts.
enum Start {
    /// Where the snapshot ends, which is still to be read.
    Snapshot,
    /// At the last messages that the snapshot knows, which are still to be compared with those on Kafka.
    Marks(Vec<Mark>),
    /// At the beginning.
    Beginning,
}

struct Counts {
    /// By number of table.
    skipped: [Counter; 4],
    venues: Gauge,
    persons: Gauge,
    registered: Gauge,
}

impl Loader {
    /// Starts the thread; call it within a tokio runtime.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn spawn(self) -> anyhow::Result<JoinHandle<()>> {
        let runtime = tokio::runtime::Handle::current();
        let thread = std::thread::Builder::new().name("tables".to_owned());
        thread.spawn(move || self.run(&runtime)).context("cannot start the thread that keeps the tables")
    }

    fn run(self, runtime: &tokio::runtime::Handle) {
        let _whole = WholeOrNone(self.failed_for_good.clone());
        let topics = self.kafka.topics();
        let mut pause = FIRST_PAUSE;
        let mut start = Start::Snapshot;
        snapshot_used(false);
        while !self.shutdown.is_cancelled() {
            let made = runtime.block_on(self.kafka.ensure_topics(Retention::of(&self.city)));
            match made.and_then(|_| self.open(&topics, &mut start)) {
                Ok(readers) => {
                    pause = FIRST_PAUSE;
                    self.follow(readers, &topics, &mut start);
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::warn!(error, "cannot read the tables yet");
                    // Tables that were caught up once go on answering: what they miss is what Kafka cannot tell.
                    if self.tables.ensure_caught_up().is_err() {
                        self.readiness.unmet(CONDITION, error);
                    }
                    runtime.block_on(async {
                        let _ = tokio::time::timeout(pause, self.shutdown.cancelled()).await;
                    });
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Opens a reader where the tables are, with the snapshot read into them if that is still to be done; who was erased is
    /// known before.
    fn open(&self, topics: &Topics, start: &mut Start) -> anyhow::Result<(TopicReader, ErasedPeople)> {
        let erased = ErasedPeople::open(&self.kafka)?;
        self.tables.leave_out(erased.known());
        let consumer: BaseConsumer = self.kafka.reader().create().context("cannot set up a Kafka consumer")?;
        let mut partitions = Vec::new();
        for table in Table::ALL {
            let topic = table.topic(topics);
            let count = partition_count(&consumer, topic)?;
            partitions.extend((0..count).map(|partition| (table, topic, partition)));
        }
        if let (Some(keeper), Start::Snapshot) = (&self.keeper, &start) {
            let mut ends = Ends::new();
            for (table, topic, partition) in &partitions {
                ends.insert((*table, *partition), consumer.fetch_watermarks(topic, *partition, METADATA_TIMEOUT)?);
            }
            let origin = self.origin(consumer.client().fetch_cluster_id(METADATA_TIMEOUT), topics);
            *start = match keeper.snapshots.read(&self.tables, &origin, &ends, now_ms()) {
                Ok(marks) => Start::Marks(marks),
                Err(misfit) => {
                    tracing::warn!(%misfit, "no snapshot of the tables is used: the topics are read whole");
                    Start::Beginning
                }
            };
            keeper.write_from(origin);
        }
        let first = |table, partition| match &*start {
            Start::Marks(marks) => marks.iter().find(|m| (m.table, m.partition) == (table, partition)).map(|m| m.last),
            Start::Snapshot | Start::Beginning => None,
        };
        let starts: Vec<_> = partitions.iter().map(|(table, topic, p)| (*topic, *p, first(*table, *p))).collect();
        Ok((TopicReader::try_new_at(&self.kafka, &starts)?, erased))
    }

    fn origin(&self, cluster: Option<String>, topics: &Topics) -> Origin {
        Origin {
            cluster,
            topics: Table::ALL.map(|table| table.topic(topics).to_owned()).to_vec(),
            city: self.city.city.clone(),
            categories: self.city.categories.iter().map(|category| category.id.clone()).collect(),
        }
    }

    /// Applies messages until the end, or until the reader is to be opened anew.
    fn follow(&self, (mut reader, erased): (TopicReader, ErasedPeople), topics: &Topics, start: &mut Start) {
        let counts = Counts::new();
        let (started, mut reported) = (Instant::now(), Instant::now() - REPORT_EVERY);
        let mut quiet_since = Instant::now();
        let mut to_verify = start.marks();
        while !self.shutdown.is_cancelled() {
            let mut misfit = false;
            match erased.poll() {
                Ok(erased) => self.tables.leave_out(erased),
                Err(error) => {
                    tracing::error!(error = format!("{error:#}"), "the reader of erasures failed and is opened anew");
                    return;
                }
            }
            let polled = reader.poll(POLL, |message| {
                let (table, print) = (table_of(message, topics), print_of(message));
                if let Some(at) = to_verify.iter().position(|m| (m.table, m.partition) == (table, message.partition()))
                {
                    let mark = to_verify.swap_remove(at);
                    misfit |= (mark.last, mark.print) != (message.offset(), print);
                }
                self.apply(message, table, print, &counts);
            });
            match polled {
                Err(error) => {
                    tracing::error!(%error, "the reader of the tables failed and is opened anew");
                    return;
                }
                Ok(0) => {}
                Ok(_) => quiet_since = Instant::now(),
            }
            if misfit || (!to_verify.is_empty() && quiet_since.elapsed() > VERIFY_PATIENCE) {
                tracing::warn!("the topics are not those that the snapshot was made of: they are read whole");
                self.tables.clear();
                *start = Start::Beginning;
                return;
            }
            if to_verify.is_empty() && matches!(start, Start::Marks(_)) {
                snapshot_used(true);
                *start = Start::Beginning;
            }
            self.tables.seen.announce();
            if reported.elapsed() >= REPORT_EVERY {
                reported = Instant::now();
                counts.venues.set(self.tables.venues.len() as f64);
                counts.persons.set(self.tables.health.len() as f64);
                counts.registered.set(self.tables.registrations.len() as f64);
                if self.tables.ensure_caught_up().is_err() {
                    self.readiness.unmet(CONDITION, format!("{} messages to read", reader.behind()));
                }
            }
            if self.tables.ensure_caught_up().is_err() && to_verify.is_empty() && reader.is_caught_up() {
                self.tables.caught_up.store(true, Ordering::Release);
                self.readiness.met(CONDITION);
                let (venues, persons) = (self.tables.venues.len(), self.tables.health.len());
                tracing::info!(venues, persons, elapsed_ms = started.elapsed().as_millis(), "tables are caught up");
            }
        }
    }

    fn apply(&self, message: &BorrowedMessage<'_>, table: Table, print: u32, counts: &Counts) {
        let (key, payload) = (message.key(), message.payload());
        let sent_at_ms = message.timestamp().to_millis().unwrap_or_default();
        let erased = self.tables.erased();
        let done = match table {
            _ if is_emptied(message) => Some(()),
            _ if erased.is_some_and(|erased| {
                payload.is_some_and(|value| erased.has_message(table.name(), value, sent_at_ms))
            }) =>
            {
                Some(())
            }
            Table::Venues => self.tables.apply_venue(&self.city, key, payload),
            Table::Health => self.tables.apply_health(key, payload, sent_at_ms),
            Table::Tests => self.tables.apply_test(key, payload),
            Table::Identities => self.tables.apply_identity(key, payload),
        };
        if done.is_none() {
            counts.skipped[table as usize].increment(1);
        }
        let at = Position { partition: message.partition(), offset: message.offset() };
        self.tables.seen.note(table, at, print);
    }
}

impl Start {
    fn marks(&self) -> Vec<Mark> {
        if let Self::Marks(marks) = self { marks.clone() } else { Vec::new() }
    }
}

impl Counts {
    fn new() -> Self {
        Self {
            skipped: Table::ALL.map(|table| skipped(table.name())),
            venues: table_rows(Table::Venues.name()),
            persons: table_rows(Table::Health.name()),
            registered: table_rows(Table::Identities.name()),
        }
    }
}

fn table_of(message: &BorrowedMessage<'_>, topics: &Topics) -> Table {
    Table::ALL.into_iter().find(|table| message.topic() == table.topic(topics)).unwrap_or(Table::Identities)
}

/// CRC-32 of time, key and payload: tells a message from another one at the same offset of another topic.
fn print_of(message: &BorrowedMessage<'_>) -> u32 {
    let mut print = crc32fast::Hasher::new();
    print.update(&message.timestamp().to_millis().unwrap_or_default().to_le_bytes());
    for part in [message.key(), message.payload()] {
        print.update(&[u8::from(part.is_some())]);
        print.update(part.unwrap_or_default());
    }
    print.finalize()
}
