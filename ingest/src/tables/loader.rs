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
use rdkafka::{Message, consumer::BaseConsumer, message::BorrowedMessage};
use schemas::{CityProfile, HealthEvent, IdentityEvent, PersonKey, TestEvent, Topics};
use service::{KafkaConfig, Readiness, TopicReader, kafka::partition_count};
use tokio_util::sync::CancellationToken;

use super::{Table, Tables};
use crate::{
    metrics::{skipped, table_rows},
    producer::Position,
};

/// The condition of `/readyz` that the loader meets.
pub const CONDITION: &str = "tables";
const POLL: Duration = Duration::from_millis(100);
const REPORT_EVERY: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Reads the topics into the tables.
pub struct Loader {
    /// Where Kafka is.
    pub kafka: KafkaConfig,
    /// The city whose categories count.
    pub city: CityProfile,
    /// What is filled.
    pub tables: Arc<Tables>,
    /// Told when the tables are caught up.
    pub readiness: Readiness,
    /// Ends the thread.
    pub shutdown: CancellationToken,
}

struct Counts {
    skipped_venues: Counter,
    skipped_health: Counter,
    skipped_tests: Counter,
    skipped_identities: Counter,
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
        let topics = self.kafka.topics();
        let counts = Counts {
            skipped_venues: skipped("venues"),
            skipped_health: skipped("health"),
            skipped_tests: skipped("tests"),
            skipped_identities: skipped("identities"),
            venues: table_rows("venues"),
            persons: table_rows("health"),
            registered: table_rows("identities"),
        };
        let mut pause = FIRST_PAUSE;
        while !self.shutdown.is_cancelled() {
            match runtime.block_on(self.kafka.ensure_topics()).and_then(|_| open(&self.kafka, &topics)) {
                Ok(reader) => {
                    pause = FIRST_PAUSE;
                    self.follow(reader, &topics, &counts);
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

    /// Applies messages until the end, or until the reader fails for good and must be opened anew.
    fn follow(&self, mut reader: TopicReader, topics: &Topics, counts: &Counts) {
        let started = Instant::now();
        let mut reported = started - REPORT_EVERY;
        while !self.shutdown.is_cancelled() {
            if let Err(error) = reader.poll(POLL, |message| self.apply(message, topics, counts)) {
                tracing::error!(%error, "the reader of the tables failed and is opened anew");
                return;
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
            if self.tables.ensure_caught_up().is_err() && reader.is_caught_up() {
                self.tables.caught_up.store(true, Ordering::Release);
                self.readiness.met(CONDITION);
                let (venues, persons) = (self.tables.venues.len(), self.tables.health.len());
                tracing::info!(venues, persons, elapsed_ms = started.elapsed().as_millis(), "tables are caught up");
            }
        }
    }

    fn apply(&self, message: &BorrowedMessage<'_>, topics: &Topics, counts: &Counts) {
        let topic = message.topic();
        let (table, done, skipped) = if topic == topics.venues {
            (Table::Venues, self.apply_venue(message), &counts.skipped_venues)
        } else if topic == topics.health {
            (Table::Health, self.apply_health(message), &counts.skipped_health)
        } else if topic == topics.tests {
            (Table::Tests, self.apply_test(message), &counts.skipped_tests)
        } else {
            (Table::Identities, self.apply_identity(message), &counts.skipped_identities)
        };
        if done.is_none() {
            skipped.increment(1);
        }
        self.tables.seen.note(table, Position { partition: message.partition(), offset: message.offset() });
    }

    fn apply_venue(&self, message: &BorrowedMessage<'_>) -> Option<()> {
        match message.payload() {
            Some(payload) => self.tables.set_venue(&self.city, payload).then_some(()),
            None => {
                let id: u64 = std::str::from_utf8(message.key()?).ok()?.parse().ok()?;
                self.tables.venues.remove(id);
                Some(())
            }
        }
    }

    fn apply_health(&self, message: &BorrowedMessage<'_>) -> Option<()> {
        let Some(payload) = message.payload() else {
            self.tables.health.change(person_of(message)?.to_u64(), |record| record.without_colour());
            return Some(());
        };
        let event = HealthEvent::try_parse(payload).ok()?;
        self.tables.health.change(event.person.to_u64(), |record| Some(record.with_colour(&event)));
        let sent_at_ms = message.timestamp().to_millis().unwrap_or_default();
        self.tables.health_fed_at_ms.fetch_max(sent_at_ms, Ordering::Relaxed);
        Some(())
    }

    fn apply_test(&self, message: &BorrowedMessage<'_>) -> Option<()> {
        let Some(payload) = message.payload() else {
            self.tables.health.change(person_of(message)?.to_u64(), |record| record.without_test());
            return Some(());
        };
        let event = TestEvent::try_parse(payload).ok()?;
        self.tables.health.change(event.person.to_u64(), |record| Some(record.with_test(&event)));
        self.tables.has_tests.store(true, Ordering::Relaxed);
        Some(())
    }

    fn apply_identity(&self, message: &BorrowedMessage<'_>) -> Option<()> {
        match message.payload() {
            Some(payload) => self.tables.set_identity(&IdentityEvent::try_parse(payload).ok()?),
            None => {
                let (person, form) = IdentityEvent::parse_key(message.key()?)?;
                self.tables.forget_identity(person, form);
            }
        }
        Some(())
    }
}

fn person_of(message: &BorrowedMessage<'_>) -> Option<PersonKey> {
    std::str::from_utf8(message.key()?).ok()?.parse().ok()
}

fn open(kafka: &KafkaConfig, topics: &Topics) -> anyhow::Result<TopicReader> {
    let consumer: BaseConsumer = kafka.reader().create().context("cannot set up a Kafka consumer")?;
    let mut partitions = Vec::new();
    for topic in [&topics.venues, &topics.health, &topics.tests, &topics.identities] {
        partitions.extend((0..partition_count(&consumer, topic)?).map(|partition| (topic.as_str(), partition)));
    }
    TopicReader::try_new(kafka, &partitions)
}
