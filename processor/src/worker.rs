//! One partition of `scans`, from Kafka to ClickHouse: reading and joining here, storing in `storing.rs`.
//!
//! A thread of straight-line steps: gather, read health up to now, enrich, raise alerts, write the range down, store it,
//! go on. Nothing is ever past a row that is neither stored nor dead-lettered, because nothing else moves.

mod storing;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, bail, ensure};
use rdkafka::{
    ClientConfig, Message,
    consumer::{BaseConsumer, Consumer},
    message::OwnedMessage,
    producer::FutureProducer,
};
use schemas::{Erased, HealthEvent, Retention, ScanEvent, TestEvent};
use service::{
    BoundedConsumer, ErasedPeople, KafkaConfig, TopicReader,
    clock::now_ms,
    kafka::{METADATA_TIMEOUT, is_emptied, reader_at},
};
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::Backoff,
    batch::{self, Batch, Forgotten, Incoming},
    beginning,
    config::BatchConfig,
    dead_letters::{DeadLetters, Origin, Rejected},
    directory::Directory,
    fault::Fault,
    history::HealthHistory,
    ledger::{Entry, Ledger},
    machine::outlet,
    metrics,
    outdated::Outdated,
    progress::Progress,
    recent::RecentIds,
    refusal::told,
    sink::Sink,
    workers::{Commit, Job},
};

/// Shortest time for which a batch gathers, so that messages sent together are stored together.
const MIN_GATHER: Duration = Duration::from_millis(20);
/// How long reading a partition's health may take.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(600);
/// How long reading a range again may take.
const REPLAY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the age of the first message that is not stored is asked for.
const PEEK_TIMEOUT: Duration = Duration::from_secs(2);

/// What every worker of an instance shares.
pub struct Shared {
    /// Kafka.
    pub kafka: KafkaConfig,
    /// How scans are batched.
    pub batch: BatchConfig,
    /// Producer of ledger records and dead letters.
    pub producer: FutureProducer,
    /// ClickHouse.
    pub sink: Sink,
    /// Venues.
    pub directory: Arc<Directory>,
    /// What cannot be processed.
    pub dead_letters: Arc<DeadLetters>,
    /// Who was erased.
    pub erased: Arc<ErasedPeople>,
    /// How far the partitions are.
    pub progress: Arc<Progress>,
    /// How long scans are kept; `None` for good.
    pub retention: Option<Retention>,
    /// A mistake on purpose.
    pub fault: Option<Fault>,
    /// Where inserts run.
    pub runtime: tokio::runtime::Handle,
}

/// What runs a partition of scans.
pub fn job(shared: Shared) -> Job {
    Arc::new(move |partition, commit, stop| run(&shared, partition, commit, stop))
}

/// Runs a partition until `stop`; whatever goes wrong is tried again from what the ledger says.
fn run(shared: &Shared, partition: i32, commit: &Commit, stop: &CancellationToken) {
    let mut backoff = Backoff::default();
    while !stop.is_cancelled() {
        let result = Worker::start(shared, partition, stop).and_then(|mut worker| {
            let from = worker.next;
            let result = worker.run(commit);
            if worker.next > from {
                backoff = Backoff::default();
            }
            result
        });
        match result {
            Ok(()) => break,
            Err(_) if stop.is_cancelled() => {
                tracing::info!(partition, "stopped before a range was stored; it is in the ledger");
            }
            Err(error) => {
                shared.progress.blocked(partition);
                tracing::warn!(partition, error = format!("{error:#}"), "starting again from the ledger");
                backoff.wait(stop);
            }
        }
    }
    shared.progress.left(partition);
}

struct Worker<'a> {
    shared: &'a Shared,
    partition: i32,
    stop: &'a CancellationToken,
    scans: BoundedConsumer,
    health: TopicReader,
    health_topic: String,
    history: HealthHistory,
    outdated: Outdated,
    /// Those who are known to be erased.
    erased: Arc<Erased>,
    recent: RecentIds,
    ledger: Ledger,
    stream: u32,
    /// First offset that no counting range covers.
    next: u64,
    /// The newest range, to be stored again before anything new.
    replay: Option<Entry>,
    /// Offset behind the last message of which something may be stored though no counting range covers it.
    tried: u64,
    /// Whether the partition was empty at the start, and nothing has come since.
    was_empty: bool,
    /// When the last batch was gathered.
    last_batch: Instant,
}

impl<'a> Worker<'a> {
    fn start(shared: &'a Shared, partition: i32, stop: &'a CancellationToken) -> anyhow::Result<Self> {
        let topics = shared.kafka.topics();
        let asking: BaseConsumer = shared.kafka.reader().create().context("cannot set up a Kafka consumer")?;
        let (low, high) = asking
            .fetch_watermarks(&topics.scans, partition, METADATA_TIMEOUT)
            .context("cannot read the end of scans")?;

        let (ledger, newest) = Ledger::open(&shared.kafka, shared.producer.clone(), partition)?;
        if newest.is_none() {
            let horizon = shared.retention.map(|retention| retention.horizon(now_ms() / 1000));
            let check = beginning::check(&shared.kafka, &shared.sink, (&topics.scans, partition), (low, high), horizon);
            shared.runtime.block_on(check)?;
        }
        let low = u64::try_from(low)?;
        let stream = newest.as_ref().map_or_else(rand::random, |entry| entry.record.stream);
        let next = newest.as_ref().map_or(low, |entry| entry.record.end.max(low));
        let tried = newest.as_ref().map_or(0, |entry| entry.record.tried);
        // A range that Kafka no longer holds whole cannot be read again; what of it was stored stays. A partition of which all
        // has expired begins and ends at 0 on the embedded broker.
        let replay = newest.filter(|entry| entry.record.start >= low && high > 0);
        let replay = replay.filter(|_| shared.fault != Some(Fault::CommitBeforeInsert));
        let position = replay.as_ref().map_or(next, |entry| entry.record.start);

        let at = i64::try_from(position)?;
        let came_at_ms = if at < high { came_at_ms(&shared.kafka, (&topics.scans, partition), at)? } else { None };
        // Known even if ClickHouse cannot be asked for anything.
        shared.progress.reached(partition, position, came_at_ms);

        let mut recent = RecentIds::new(shared.batch.dedup_window);
        let from = position.saturating_sub(shared.batch.dedup_window);
        let ids = shared.runtime.block_on(shared.sink.stored_ids(stream, from, position));
        for (id, offset) in
            ids.map_err(|error| anyhow!("cannot read the identities of stored scans: {}", told(error)))?
        {
            recent.note(id, offset);
        }
        // Whoever held the partition until now may have written letters.
        shared.dead_letters.catch_up()?;

        let health = TopicReader::try_new(&shared.kafka, &[(&topics.health, partition), (&topics.tests, partition)])?;
        let mut worker = Self {
            shared,
            partition,
            stop,
            scans: reader_at(&scan_reader(&shared.kafka), &topics.scans, partition, at)?,
            health,
            health_topic: topics.health,
            history: HealthHistory::default(),
            outdated: Outdated::default(),
            erased: service::erased::nobody(),
            recent,
            ledger,
            stream,
            next,
            replay,
            tried,
            was_empty: high == 0,
            last_batch: Instant::now(),
        };
        worker.read_health()?;
        tracing::info!(
            partition,
            offset = position,
            known_ids = worker.recent.len(),
            people = worker.history.people(),
            "holding a partition"
        );
        Ok(worker)
    }

    fn run(&mut self, commit: &Commit) -> anyhow::Result<()> {
        if let Some(entry) = self.replay.take() {
            let messages = self.read_range(entry.record.start, entry.record.end)?;
            self.next = entry.record.start;
            let end = entry.record.end;
            self.settle(&messages, end, Some(entry), commit)?;
        }
        self.shared.progress.unblocked(self.partition);
        while !self.stop.is_cancelled() {
            let messages = self.gather()?;
            if let Some(last) = messages.last() {
                let end = u64::try_from(last.offset())? + 1;
                self.settle(&messages, end, None, commit)?;
            }
        }
        Ok(())
    }

    /// Waits for messages, then gathers until the batch is full or it is time for the next one.
    ///
    /// Batches follow each other at the configured distance; a message that comes after a pause does not wait.
    ///
    /// # Errors
    /// When the first message of an empty partition comes at an offset that the ledger has already: it is another partition.
    fn gather(&mut self) -> anyhow::Result<Vec<OwnedMessage>> {
        let mut messages = Vec::new();
        let mut deadline = Instant::now() + Duration::from_millis(200);
        while messages.len() < self.shared.batch.batch_rows as usize {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.scans.poll(left) {
                Some(Ok(message)) if u64::try_from(message.offset()).is_ok_and(|offset| offset < self.next) => {
                    // A client whose position has left the log begins again at its first message.
                    ensure!(
                        !self.was_empty,
                        "{}[{}] was empty and begins at offset {}, though the ledger has it up to {}: it was made anew; \
                         remove its ledger as well",
                        message.topic(),
                        self.partition,
                        message.offset(),
                        self.next
                    );
                }
                Some(Ok(message)) => {
                    self.was_empty = false;
                    if messages.is_empty() {
                        let now = Instant::now();
                        deadline = (now + MIN_GATHER).max(self.last_batch + self.shared.batch.linger());
                    }
                    messages.push(message.detach());
                }
                Some(Err(error)) => tracing::debug!(%error, "Kafka is out of reach; the client tries again"),
                None if left.is_zero() => break,
                None => {}
            }
        }
        if !messages.is_empty() {
            self.last_batch = Instant::now();
        }
        Ok(messages)
    }

    /// Reads exactly the messages of a range.
    fn read_range(&mut self, start: u64, end: u64) -> anyhow::Result<Vec<OwnedMessage>> {
        let started = Instant::now();
        let (start, end) = (i64::try_from(start)?, i64::try_from(end)?);
        let mut messages: Vec<OwnedMessage> = Vec::new();
        while messages.last().map_or(start, |m| m.offset() + 1) < end {
            if let Some(Ok(message)) = self.scans.poll(Duration::from_millis(100)) {
                if message.offset() >= end {
                    bail!("offsets {start} to {end} are no longer all on Kafka");
                }
                messages.push(message.detach());
            }
            if started.elapsed() > REPLAY_TIMEOUT || self.stop.is_cancelled() {
                bail!("cannot read offsets {start} to {end} again within {} s", REPLAY_TIMEOUT.as_secs());
            }
        }
        Ok(messages)
    }

    fn build(&mut self, messages: &[OwnedMessage]) -> anyhow::Result<Batch> {
        // What the gateway knew when it accepted these scans is on Kafka by now; read it before looking back.
        self.read_health()?;
        // A letter is a verdict, also if ClickHouse would take the row by now: never a letter and a row.
        let with_letter = match messages {
            [first, .., last] => self.letters_between(first, last),
            [one] => self.letters_between(one, one),
            [] => BTreeSet::new(),
        };
        let incoming: Vec<Incoming> = messages
            .iter()
            .filter(|message| !with_letter.contains(&message.offset()) && !is_emptied(*message))
            .map(|message| Incoming {
                offset: u64::try_from(message.offset()).unwrap_or_default(),
                event: ScanEvent::try_parse(message.payload().unwrap_or_default()).map_err(|e| reason(&e)),
            })
            .collect();
        let directory = &self.shared.directory;
        let unknown = |i: &Incoming| i.event.as_ref().is_ok_and(|event| !directory.has(event.venue));
        if incoming.iter().any(unknown) {
            directory.catch_up()?;
        }
        let horizon = self.shared.retention.map_or(i64::MIN, |retention| retention.horizon(now_ms() / 1000));
        let venue = |venue| directory.venue(venue);
        let forgotten = Forgotten { horizon, erased: &self.erased };
        let batch = batch::build(incoming, self.stream, forgotten, venue, &self.history, &mut self.recent);
        ::metrics::counter!(metrics::PAST).increment(batch.past);
        ::metrics::counter!(metrics::OF_ERASED).increment(batch.erased);
        for (offset, reason) in &batch.invalid {
            let message = messages.iter().find(|m| u64::try_from(m.offset()) == Ok(*offset));
            let message = message.context("a dead letter has no message")?;
            self.bury(message, reason, None)?;
        }
        Ok(batch)
    }

    fn letters_between(&self, first: &OwnedMessage, last: &OwnedMessage) -> BTreeSet<i64> {
        self.shared.dead_letters.between(first.topic(), self.partition, first.offset(), last.offset())
    }

    fn bury(&self, message: &OwnedMessage, reason: &str, details: Option<&str>) -> anyhow::Result<()> {
        let rejected = Rejected {
            origin: origin(message),
            reason,
            details,
            key: message.key().unwrap_or_default(),
            value: message.payload().unwrap_or_default(),
        };
        self.shared.runtime.block_on(self.shared.dead_letters.send(&rejected))
    }

    /// Reads who was erased by now, and health up to now without what was erased of them. What is built then leaves out all
    /// who were erased before any of its messages came: that the erasure's owner counts on.
    fn read_health(&mut self) -> anyhow::Result<()> {
        let erased = self.shared.erased.catch_up()?;
        if !Arc::ptr_eq(&self.erased, &erased) {
            self.history.erase(&erased);
            self.erased = erased;
        }
        let (history, outdated, health_topic) = (&mut self.history, &mut self.outdated, &self.health_topic);
        let erased = &self.erased;
        let mut bad = Vec::new();
        self.health
            .read_to_end_unless(self.stop, CATCH_UP_TIMEOUT, |message| {
                let known_at_ms = message.timestamp().to_millis().unwrap_or_default();
                let Some(value) = message.payload() else { return };
                let is_erased = |person| erased.has(person, known_at_ms);
                let result = if message.topic() == health_topic {
                    HealthEvent::try_parse(value).map(|event| {
                        if is_erased(event.person) {
                            return;
                        }
                        let counts = history.add_health(&event, known_at_ms);
                        outdated.note_health(event, counts, known_at_ms);
                    })
                } else {
                    TestEvent::try_parse(value).map(|event| {
                        if is_erased(event.person) {
                            return;
                        }
                        let counts = history.add_test(&event, known_at_ms);
                        outdated.note_test(event, counts, known_at_ms);
                    })
                };
                if let Err(error) = result {
                    bad.push((message.detach(), reason(&error)));
                }
            })
            .context("cannot read the health of this partition")?;
        bad.iter().try_for_each(|(message, reason)| self.bury(message, reason, None))?;
        let topics = self.shared.kafka.topics();
        let amended = self.outdated.amended(&topics)?;
        let sent = outlet::send(&self.shared.producer, &amended);
        self.shared.runtime.block_on(sent).context("cannot amend the health of this partition")?;
        self.outdated.clear();
        Ok(())
    }
}

fn scan_reader(kafka: &KafkaConfig) -> ClientConfig {
    let mut config = kafka.reader();
    config.set("queued.max.messages.kbytes", "16384").set("fetch.message.max.bytes", "4194304");
    config
}

/// The error and its cause; neither shows the message itself.
fn reason(error: &schemas::events::EventError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn origin(message: &OwnedMessage) -> Origin {
    (message.topic().to_owned(), message.partition(), message.offset())
}

/// When the message at an offset came to Kafka, in milliseconds since 1970.
fn came_at_ms(kafka: &KafkaConfig, (topic, partition): (&str, i32), offset: i64) -> anyhow::Result<Option<i64>> {
    let consumer = reader_at(&kafka.reader(), topic, partition, offset)?;
    let started = Instant::now();
    while started.elapsed() < PEEK_TIMEOUT {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            return Ok(message.timestamp().to_millis());
        }
    }
    Ok(None)
}
