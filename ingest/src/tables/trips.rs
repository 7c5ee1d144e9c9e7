//! The trips of lorries, folded here as the processor folds them, so that a crew at a checkpoint can be told at once how far
//! theirs is, whoever takes a trip back whether there is one, and under which key a lorry is known while keys rotate. It is
//! read beside the other tables, from the first event on, and until it has read the topic whole it says nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::Context;
use hashbrown::HashMap;
use parking_lot::Mutex;
use rdkafka::{Message, consumer::BaseConsumer};
use schemas::{
    PersonKey, PlateKey, Retention, TripEvent,
    freight::{ScanOutcome, TripState, Vehicle},
};
use service::{KafkaConfig, TopicReader, kafka::partition_count, shutdown::WholeOrNone};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::state::now_ms;

const POLL: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_secs(1);
/// How often lorries are looked through for those of which nothing is heard any more.
const FORGET_EVERY_MS: i64 = 3_600_000;

/// What is known of lorries.
#[derive(Debug)]
pub struct Trips {
    /// How long facts about a lorry are kept, in seconds.
    kept_s: i64,
    vehicles: Mutex<HashMap<PlateKey, Vehicle>>,
    caught_up: AtomicBool,
}

/// What a scan is for its lorry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TripSeen {
    /// What it was.
    pub outcome: ScanOutcome,
    /// Of which trip, and how far that is after it.
    pub trip: Option<(Uuid, TripState)>,
}

impl Trips {
    /// Before anything is known.
    pub fn new(retention: Retention) -> Self {
        Self { kept_s: retention.trip_facts_s(), vehicles: Mutex::default(), caught_up: AtomicBool::default() }
    }

    /// What a scan is, with what is known so far; `None` while that is not everything.
    pub fn see(&self, event: &TripEvent, scan: Uuid) -> Option<TripSeen> {
        if !self.caught_up.load(Ordering::Acquire) {
            return None;
        }
        let mut vehicle = self.vehicles.lock().get(&event.vehicle).cloned().unwrap_or_default();
        vehicle.note(event, self.kept_s);
        let trips = vehicle.trips();
        let seen = trips.scans.get(&scan)?;
        let trip = seen.trip.and_then(|id| Some((id, trips.trips.get(&id)?.state)));
        Some(TripSeen { outcome: seen.outcome, trip })
    }

    /// Whether anything is known of a lorry under this key; `None` while not everything has been read.
    pub fn knows(&self, vehicle: PlateKey) -> Option<bool> {
        self.caught_up.load(Ordering::Acquire).then(|| self.vehicles.lock().contains_key(&vehicle))
    }

    /// Who drives a lorry's trip, if there is such a trip; `None` while not everything has been read.
    pub fn driver_of(&self, vehicle: PlateKey, trip: Uuid) -> Option<Option<PersonKey>> {
        let known = || self.vehicles.lock().get(&vehicle).and_then(|known| known.driver_of(trip));
        self.caught_up.load(Ordering::Acquire).then(known)
    }

    /// Notes an event. One that this gateway kept itself is noted at once, so that its lorry's next scan finds it even while
    /// the processor is away; from the topic it comes once more and changes nothing.
    pub fn note(&self, event: &TripEvent) {
        self.vehicles.lock().entry(event.vehicle).or_default().note(event, self.kept_s);
    }

    fn forget(&self, now_ms: i64) {
        self.vehicles.lock().retain(|_, vehicle| vehicle.latest() + self.kept_s >= now_ms / 1000);
    }

    /// Starts the thread that reads the topic until `stop`; `whole` is told if it panics.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn follow(
        self: Arc<Self>,
        kafka: KafkaConfig,
        stop: CancellationToken,
        whole: WholeOrNone,
    ) -> anyhow::Result<JoinHandle<()>> {
        let run = move || {
            let _whole = whole;
            while !stop.is_cancelled() {
                if let Err(error) = self.read(&kafka, &stop) {
                    tracing::warn!(error = format!("{error:#}"), "cannot read the trips of lorries yet");
                    std::thread::sleep(PAUSE);
                }
            }
        };
        std::thread::Builder::new().name("trips".to_owned()).spawn(run).context("cannot start the thread of trips")
    }

    fn read(&self, kafka: &KafkaConfig, stop: &CancellationToken) -> anyhow::Result<()> {
        let topic = kafka.topics().trips;
        let consumer: BaseConsumer = kafka.reader().create().context("cannot set up a Kafka consumer")?;
        let partitions: Vec<_> = (0..partition_count(&consumer, &topic)?).map(|p| (topic.as_str(), p)).collect();
        let mut reader = TopicReader::try_new(kafka, &partitions)?;
        let mut forgotten_at_ms = now_ms();
        while !stop.is_cancelled() {
            // What cannot be read here the processor reports.
            reader.poll(POLL, |message| {
                if let Ok(event) = TripEvent::try_parse(message.payload().unwrap_or_default()) {
                    self.note(&event);
                }
            })?;
            if reader.is_caught_up() {
                self.caught_up.store(true, Ordering::Release);
            }
            if now_ms() - forgotten_at_ms > FORGET_EVERY_MS {
                forgotten_at_ms = now_ms();
                self.forget(forgotten_at_ms);
            }
        }
        Ok(())
    }
}
