//! One partition of `scans`, from Kafka to ClickHouse.
//!
//! A thread of straight-line steps: gather, read health up to now, enrich, write the range down, store it, go
//! on. Nothing is ever past a row that is neither stored nor dead-lettered, because nothing else moves.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::OwnedMessage,
    producer::FutureProducer,
};
use schemas::{HealthEvent, ScanEvent, TestEvent};
use service::{KafkaConfig, TopicReader, kafka::METADATA_TIMEOUT};
use tokio_util::sync::CancellationToken;

use crate::{
    batch::{self, Batch, Incoming},
    beginning,
    config::BatchConfig,
    dead_letters::{DeadLetters, Rejected},
    directory::Directory,
    history::HealthHistory,
    ledger::{Appended, Entry, Ledger},
    metrics,
    recent::RecentIds,
    sink::Sink,
};

/// Shortest time for which a batch gathers, so that messages sent together are stored together.
const MIN_GATHER: Duration = Duration::from_millis(20);
/// Longest pause between two tries.
const MAX_BACKOFF: Duration = Duration::from_secs(5);
/// How long reading a partition's health may take.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(600);
/// How long reading a range again may take.
const REPLAY_TIMEOUT: Duration = Duration::from_secs(60);

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
    /// Where inserts run.
    pub runtime: tokio::runtime::Handle,
}

/// Tells the group how far a partition is stored, for lag to be seen from outside.
pub type Commit = Box<dyn Fn(i32, u64) + Send>;

/// Runs a partition until `stop`; whatever goes wrong is tried again from what the ledger says.
pub fn run(shared: &Shared, partition: i32, commit: &Commit, stop: &CancellationToken) {
    let mut backoff = Backoff::default();
    while !stop.is_cancelled() {
        let result = Worker::start(shared, partition, stop).and_then(|mut worker| {
            backoff = Backoff::default();
            worker.run(commit)
        });
        match result {
            Ok(()) => break,
            Err(error) => {
                tracing::warn!(partition, error = format!("{error:#}"), "starting again from the ledger");
                backoff.wait(stop);
            }
        }
    }
}

struct Worker<'a> {
    shared: &'a Shared,
    partition: i32,
    stop: &'a CancellationToken,
    scans: BaseConsumer,
    scans_topic: String,
    health: TopicReader,
    health_topic: String,
    history: HealthHistory,
    recent: RecentIds,
    ledger: Ledger,
    stream: u32,
    /// First offset that no counting range covers.
    next: u64,
    /// The newest range, to be stored again before anything new.
    replay: Option<Entry>,
    /// When the last batch was gathered.
    last_batch: Instant,
}

impl<'a> Worker<'a> {
    fn start(shared: &'a Shared, partition: i32, stop: &'a CancellationToken) -> anyhow::Result<Self> {
        let topics = shared.kafka.topics();
        let scans: BaseConsumer = scan_consumer(&shared.kafka)?;
        let (low, high) = scans
            .fetch_watermarks(&topics.scans, partition, METADATA_TIMEOUT)
            .context("cannot read the end of scans")?;

        let (ledger, newest) = Ledger::open(&shared.kafka, shared.producer.clone(), partition)?;
        if newest.is_none() {
            let check = beginning::check(&scans, &shared.sink, (&topics.scans, partition), (low, high));
            shared.runtime.block_on(check)?;
        }
        let low = u64::try_from(low)?;
        let stream = newest.as_ref().map_or_else(rand::random, |entry| entry.record.stream);
        let next = newest.as_ref().map_or(low, |entry| entry.record.end.max(low));
        // A range that Kafka no longer holds whole cannot be read again; what of it was stored stays.
        let replay = newest.filter(|entry| entry.record.start >= low);
        let position = replay.as_ref().map_or(next, |entry| entry.record.start);

        let mut recent = RecentIds::new(shared.batch.dedup_window);
        let from = position.saturating_sub(shared.batch.dedup_window);
        for (id, offset) in shared.runtime.block_on(shared.sink.stored_ids(stream, from, position))? {
            recent.is_new(id, offset);
        }

        let health = TopicReader::try_new(&shared.kafka, &[(&topics.health, partition), (&topics.tests, partition)])?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topics.scans, partition, Offset::Offset(i64::try_from(position)?))?;
        scans.assign(&list)?;
        let mut worker = Self {
            shared,
            partition,
            stop,
            scans,
            scans_topic: topics.scans,
            health,
            health_topic: topics.health,
            history: HealthHistory::default(),
            recent,
            ledger,
            stream,
            next,
            replay,
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
            let batch = self.build(&messages)?;
            // The process before this one may have stored all, some or none of it.
            self.store(&batch, entry, true)?;
        }
        while !self.stop.is_cancelled() {
            let messages = self.gather();
            let Some(last) = messages.last() else { continue };
            let (start, end) = (self.next, u64::try_from(last.offset())? + 1);
            let batch = self.build(&messages)?;
            match self.shared.runtime.block_on(self.ledger.append(self.stream, start, end, false))? {
                Appended::Won(entry) => self.store(&batch, entry, false)?,
                Appended::Lost => bail!("the ledger moved on"),
            }
            self.next = end;
            self.report(&batch, end);
            commit(self.partition, end);
        }
        Ok(())
    }

    /// Waits for messages, then gathers until the batch is full or it is time for the next one.
    ///
    /// Batches follow each other at the configured distance; a message that comes after a pause does not wait.
    fn gather(&mut self) -> Vec<OwnedMessage> {
        let mut messages = Vec::new();
        let mut deadline = Instant::now() + Duration::from_millis(200);
        while messages.len() < self.shared.batch.batch_rows as usize {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.scans.poll(left) {
                // A client whose position has left the log begins again at its first message.
                Some(Ok(message)) if u64::try_from(message.offset()).is_ok_and(|offset| offset < self.next) => {}
                Some(Ok(message)) => {
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
        messages
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
        let incoming: Vec<Incoming> = messages
            .iter()
            .map(|message| Incoming {
                offset: u64::try_from(message.offset()).unwrap_or_default(),
                event: ScanEvent::try_parse(message.payload().unwrap_or_default()).map_err(|e| reason(&e)),
            })
            .collect();
        let directory = &self.shared.directory;
        let unknown = |i: &Incoming| i.event.as_ref().is_ok_and(|event| directory.venue(event.venue).is_none());
        if incoming.iter().any(unknown) {
            directory.catch_up()?;
        }
        let batch =
            batch::build(incoming, self.stream, |venue| directory.venue(venue), &self.history, &mut self.recent);
        for (offset, reason) in &batch.invalid {
            let message = messages.iter().find(|m| u64::try_from(m.offset()) == Ok(*offset));
            let message = message.context("a dead letter has no message")?;
            self.bury(message, reason)?;
        }
        Ok(batch)
    }

    fn bury(&self, message: &OwnedMessage, reason: &str) -> anyhow::Result<()> {
        let rejected = Rejected {
            origin: (message.topic().to_owned(), message.partition(), message.offset()),
            reason,
            key: message.key().unwrap_or_default(),
            value: message.payload().unwrap_or_default(),
        };
        self.shared.runtime.block_on(self.shared.dead_letters.send(&rejected))
    }

    fn read_health(&mut self) -> anyhow::Result<()> {
        let (history, health_topic) = (&mut self.history, &self.health_topic);
        let mut bad = Vec::new();
        self.health
            .read_to_end(CATCH_UP_TIMEOUT, |message| {
                let known_at_ms = message.timestamp().to_millis().unwrap_or_default();
                let Some(value) = message.payload() else { return };
                let result = if message.topic() == health_topic {
                    HealthEvent::try_parse(value).map(|event| history.add_health(&event, known_at_ms))
                } else {
                    TestEvent::try_parse(value).map(|event| history.add_test(&event, known_at_ms))
                };
                if let Err(error) = result {
                    bad.push((message.detach(), reason(&error)));
                }
            })
            .context("cannot read the health of this partition")?;
        bad.iter().try_for_each(|(message, reason)| self.bury(message, reason))
    }

    /// Stores a batch and returns when every row of it is in every table once. Tries for ever: until then the
    /// partition does not move.
    fn store(&mut self, batch: &Batch, mut entry: Entry, replayed: bool) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut unclear = replayed;
        self.insist(&mut unclear, || self.shared.runtime.block_on(self.shared.sink.insert(batch, &entry.token())))?;
        while unclear {
            let missing = self.shared.runtime.block_on(self.shared.sink.find_missing(batch, &entry))?;
            if missing.is_empty() {
                break;
            }
            let (start, end) = (entry.record.start, entry.record.end);
            entry = match self.shared.runtime.block_on(self.ledger.append(self.stream, start, end, true))? {
                Appended::Won(entry) => entry,
                Appended::Lost => bail!("the ledger moved on"),
            };
            for missing in &missing {
                let rows = missing.offsets.len();
                tracing::warn!(
                    partition = self.partition,
                    table = missing.table,
                    rows,
                    "rows were lost by ClickHouse; storing them again"
                );
                let token = entry.token();
                let insert = || self.shared.runtime.block_on(self.shared.sink.insert_missing(batch, missing, &token));
                self.insist(&mut unclear, insert)?;
                ::metrics::counter!(metrics::REPAIRED, "table" => missing.table).increment(rows as u64);
            }
        }
        ::metrics::histogram!(metrics::STORE_SECONDS).record(started.elapsed().as_secs_f64());
        Ok(())
    }

    /// Sends the same bytes under the same token until they are acknowledged.
    fn insist(
        &self,
        unclear: &mut bool,
        insert: impl Fn() -> Result<(), clickhouse::error::Error>,
    ) -> anyhow::Result<()> {
        let mut backoff = Backoff::default();
        while let Err(error) = insert() {
            *unclear = true;
            ::metrics::counter!(metrics::RETRIES).increment(1);
            tracing::warn!(partition = self.partition, %error, "cannot store a batch yet; trying again");
            backoff.wait(self.stop);
            if self.stop.is_cancelled() {
                bail!("asked to stop before a batch could be stored; it is in the ledger");
            }
        }
        Ok(())
    }

    fn report(&self, batch: &Batch, end: u64) {
        ::metrics::counter!(metrics::STORED).increment(batch.rows.len() as u64);
        ::metrics::counter!(metrics::REPEATED).increment(batch.repeated as u64);
        if let Some(accepted_at_ms) = batch.oldest_accepted_at_ms {
            let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
            ::metrics::histogram!(metrics::FRESHNESS_SECONDS).record((now_ms - accepted_at_ms) as f64 / 1000.0);
        }
        if let Ok((_, high)) = self.scans.fetch_watermarks(&self.scans_topic, self.partition, METADATA_TIMEOUT) {
            let lag = high - i64::try_from(end).unwrap_or(high);
            ::metrics::gauge!(metrics::LAG, "partition" => self.partition.to_string()).set(lag as f64);
        }
        let (rows, repeated, invalid) = (batch.rows.len(), batch.repeated, batch.invalid.len());
        tracing::debug!(partition = self.partition, rows, repeated, invalid, end, "stored a batch");
    }
}

fn scan_consumer(kafka: &KafkaConfig) -> anyhow::Result<BaseConsumer> {
    let mut config = kafka.reader();
    config.set("queued.max.messages.kbytes", "16384").set("fetch.message.max.bytes", "4194304");
    config.create().context("cannot set up a Kafka consumer")
}

/// The error and its cause; neither shows the message itself.
fn reason(error: &schemas::events::EventError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Pauses between tries, doubling up to [`MAX_BACKOFF`].
struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(Duration::from_millis(50))
    }
}

impl Backoff {
    fn wait(&mut self, stop: &CancellationToken) {
        let until = Instant::now() + self.0;
        while Instant::now() < until && !stop.is_cancelled() {
            std::thread::sleep(Duration::from_millis(20).min(self.0));
        }
        self.0 = (self.0 * 2).min(MAX_BACKOFF);
    }
}
