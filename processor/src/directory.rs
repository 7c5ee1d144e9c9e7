//! The venue directory: held whole in memory by every instance, and written to ClickHouse for names in answers.

use std::{sync::Arc, thread::JoinHandle, time::Duration};

use anyhow::Context;
use clickhouse::Client;
use hashbrown::{HashMap, HashSet};
use parking_lot::{Mutex, RwLock};
use rdkafka::{Message, message::BorrowedMessage};
use schemas::{VenueEvent, VenueId, events::VenueStatus};
use service::{KafkaConfig, Readiness, TopicReader, shutdown::WholeOrNone};
use tokio_util::sync::CancellationToken;

use crate::{
    batch::VenueFacts,
    dead_letters::{DeadLetters, Rejected},
    machine::outlet::INSERT_TIMEOUT,
};

/// How long reading the directory to its end may take.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(600);
/// How long the follower waits for a change before it looks whether to stop.
const POLL: Duration = Duration::from_millis(100);
/// The condition of readiness that the directory meets.
pub const READY: &str = "directory";

/// A venue as ClickHouse holds it.
#[derive(Debug, Clone, clickhouse::Row, serde::Serialize)]
struct VenueRow {
    venue_id: u32,
    name: String,
    category: String,
    district: u32,
    address: String,
    door: String,
    organisation: String,
    active: bool,
    serial: Option<u8>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    version: u64,
}

struct BadMessage {
    origin: (String, i32, i64),
    reason: String,
    key: Vec<u8>,
    value: Vec<u8>,
}

/// Changes read and not yet written to ClickHouse.
#[derive(Default)]
struct Pending {
    rows: Vec<VenueRow>,
    bad: Vec<BadMessage>,
}

/// What is held of a venue.
struct Held {
    facts: VenueFacts,
    revision: Option<u64>,
}

/// The directory of venues.
pub struct Directory {
    venues: RwLock<HashMap<VenueId, Held>>,
    /// Venues whose last message on the topic, which is the one that compaction keeps, is older than what is held.
    outdated: Mutex<HashSet<VenueId>>,
    reader: Mutex<(TopicReader, Pending)>,
}

impl Directory {
    /// Starts reading the directory.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub fn open(kafka: &KafkaConfig) -> anyhow::Result<Self> {
        let topic = kafka.topics().venues;
        let consumer = kafka.reader().create().context("cannot set up a Kafka consumer")?;
        let count = service::kafka::partition_count(&consumer, &topic)?;
        let partitions: Vec<(&str, i32)> = (0..count).map(|partition| (topic.as_str(), partition)).collect();
        let reader = TopicReader::try_new(kafka, &partitions)?;
        Ok(Self {
            venues: RwLock::default(),
            outdated: Mutex::default(),
            reader: Mutex::new((reader, Pending::default())),
        })
    }

    /// What is known of a venue.
    pub fn venue(&self, venue: VenueId) -> Option<VenueFacts> {
        self.venues.read().get(&venue).map(|held| held.facts.clone())
    }

    /// Whether a venue is known.
    pub fn has(&self, venue: VenueId) -> bool {
        self.venues.read().contains_key(&venue)
    }

    /// Whether the last message about a venue is the one of this revision.
    pub fn last_is(&self, venue: VenueId, revision: Option<u64>) -> bool {
        self.venues.read().get(&venue).is_some_and(|held| held.revision == revision)
            && !self.outdated.lock().contains(&venue)
    }

    /// The venues of these whose last message is older than an earlier one.
    pub fn outdated(&self, among: impl Fn(VenueId) -> bool) -> Vec<VenueId> {
        self.outdated.lock().iter().copied().filter(|venue| among(*venue)).collect()
    }

    /// Reads every change that is on Kafka by now.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub fn catch_up(&self) -> anyhow::Result<()> {
        let (reader, pending) = &mut *self.reader.lock();
        reader
            .read_to_end(CATCH_UP_TIMEOUT, |message| self.apply(message, pending))
            .context("cannot read the directory")
    }

    fn apply(&self, message: &BorrowedMessage<'_>, pending: &mut Pending) {
        // A message without a value deletes; venues are revoked, never deleted.
        let Some(value) = message.payload() else { return };
        match VenueEvent::try_parse(value) {
            Ok(event) => {
                let mut venues = self.venues.write();
                if !event.replaces(venues.get(&event.venue).and_then(|held| held.revision)) {
                    self.outdated.lock().insert(event.venue);
                    return;
                }
                self.outdated.lock().remove(&event.venue);
                let facts = VenueFacts { district: event.district, category: event.category.clone() };
                venues.insert(event.venue, Held { facts, revision: event.revision });
                pending.rows.push(venue_row(event, message.offset()));
            }
            Err(error) => pending.bad.push(BadMessage {
                origin: (message.topic().to_owned(), message.partition(), message.offset()),
                reason: error.to_string(),
                key: message.key().unwrap_or_default().to_vec(),
                value: value.to_vec(),
            }),
        }
    }

    /// Follows the directory in a thread of its own until `stop`, writing changes to ClickHouse. Writing one
    /// again is harmless: of several versions the newest stays.
    pub fn follow(
        self: Arc<Self>,
        client: Client,
        dead_letters: Arc<DeadLetters>,
        readiness: Readiness,
        runtime: tokio::runtime::Handle,
        stop: CancellationToken,
    ) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name("directory".to_owned()).spawn(move || {
            let _whole = WholeOrNone(stop.clone());
            let mut unwritten = Pending::default();
            while !stop.is_cancelled() {
                {
                    let (reader, pending) = &mut *self.reader.lock();
                    if let Err(error) = reader.poll(POLL, |message| self.apply(message, pending)) {
                        tracing::error!(%error, "cannot follow the venue directory");
                    }
                    unwritten.rows.append(&mut pending.rows);
                    unwritten.bad.append(&mut pending.bad);
                    if reader.is_caught_up() {
                        readiness.met(READY);
                    }
                }
                if let Err(error) = runtime.block_on(write(&client, &dead_letters, &mut unwritten)) {
                    tracing::warn!(error = format!("{error:#}"), "cannot write the venue directory yet");
                    std::thread::sleep(Duration::from_secs(1));
                }
                // Lets a worker that waits for the lock have it.
                std::thread::sleep(Duration::from_millis(5));
            }
        })
    }
}

async fn write(client: &Client, dead_letters: &DeadLetters, pending: &mut Pending) -> anyhow::Result<()> {
    if !pending.rows.is_empty() {
        let insert = client.insert::<VenueRow>("venues").await?;
        let mut insert = insert.with_timeouts(Some(INSERT_TIMEOUT), Some(INSERT_TIMEOUT));
        for row in &pending.rows {
            insert.write(row).await?;
        }
        insert.end().await?;
        tracing::info!(venues = pending.rows.len(), "wrote changes of the venue directory");
        pending.rows.clear();
    }
    while let Some(bad) = pending.bad.last() {
        let rejected = Rejected {
            origin: bad.origin.clone(),
            reason: &bad.reason,
            details: None,
            key: &bad.key,
            value: &bad.value,
        };
        dead_letters.send(&rejected).await?;
        pending.bad.pop();
    }
    Ok(())
}

fn venue_row(event: VenueEvent, offset: i64) -> VenueRow {
    VenueRow {
        venue_id: event.venue,
        name: event.name,
        category: event.category,
        district: event.district,
        address: event.address,
        door: event.door.unwrap_or_default(),
        organisation: event.organisation.unwrap_or_default(),
        active: event.status == VenueStatus::Active,
        serial: Some(event.serial),
        latitude: event.latitude,
        longitude: event.longitude,
        version: u64::try_from(offset).unwrap_or_default(),
    }
}
