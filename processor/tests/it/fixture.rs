//! Topics and a database of a test's own, and events as the gateway would produce them.

mod told;

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use clap::Parser;
use processor::sink::Sink;
use rdkafka::producer::{FutureProducer, FutureRecord};
use schemas::{
    Colour, Direction, Exemption, HealthEvent, Method, PersonKey, Reasons, Retention, ScanEvent, Topics, VenueEvent,
    Verdict, events::VenueStatus,
};
use service::retention::Forget;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use told::until;

/// 2022-06-01 12:00 in Shanghai.
pub const NOON: i64 = 1_654_056_000;
/// How long anything that happens by itself may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    config: processor::Config,
}

/// One test's own topics and database.
pub struct Fixture {
    pub config: processor::Config,
    pub topics: Topics,
    pub producer: FutureProducer,
}

/// A running processor.
pub struct Running {
    shutdown: DropGuard,
    task: JoinHandle<anyhow::Result<()>>,
}

const DAY: &str = "intDiv(toUnixTimestamp(scanned_at) + 28800, 86400)";
const MEASURES: &str = "count(), countIf(colour = 'green'), countIf(colour = 'yellow'), countIf(colour = 'red'), \
     countIf(method = 'sentinel_health_code'), countIf(method = 'sentinel_id_card'), countIf(method = 'reverse_scan'), \
     countIf(method = 'manual'), countIf(verdict = 'refuse'), countIf(direction = 'exit')";
const PEOPLE: &str = "uniqCombined64(15)(person_id)";

/// Projections, by what they count and what.
static KEPT: LazyLock<[(&str, String, &str); 6]> = LazyLock::new(|| {
    [
        ("city_by_minute", "toStartOfMinute(scanned_at)".to_owned(), MEASURES),
        ("places_by_hour", "district, category, toStartOfHour(scanned_at)".to_owned(), MEASURES),
        ("places_by_minute", "district, category, toStartOfMinute(scanned_at)".to_owned(), MEASURES),
        ("venues_by_day", format!("{DAY}, district, category, venue_id"), "count()"),
        ("people_of_city_by_day", DAY.to_owned(), PEOPLE),
        ("people_of_districts_by_day", format!("district, {DAY}"), PEOPLE),
    ]
});

impl Running {
    pub async fn stop(self) {
        drop(self.shutdown);
        self.task.await.expect("the processor ends").expect("the processor ends without an error");
    }
}

impl Fixture {
    pub async fn new(partitions: i32) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        for variable in ["VENUECODE_KAFKA", "VENUECODE_CLICKHOUSE_URL"] {
            assert!(std::env::var_os(variable).is_some(), "{variable} is not set: run `make test`");
        }
        let name =
            format!("t{}_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed), rand::random::<u32>());
        let mut config = Args::parse_from(["processor"]).config;
        config.kafka.topic_prefix = format!("{name}.");
        config.kafka.partitions = partitions;
        config.clickhouse.database = name;
        config.batch.batch_ms = 100;
        // Most tests are of 2022.
        config.retention.retention = Forget::Off;
        let city = schemas::CityProfile::try_built_in(&config.city).expect("a city");
        config.kafka.ensure_topics(Retention::of(&city)).await.expect("topics");
        service::migrate::migrate(&config.clickhouse).await.expect("tables");
        let producer = config.kafka.producer().create().expect("producer");
        let fixture = Self { topics: config.kafka.topics(), config, producer };
        for venue in 1..=9 {
            fixture.produce(&fixture.topics.venues, &venue.to_string(), &venue_event(venue)).await;
        }
        fixture
    }

    pub async fn start(&self) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(processor::serve(self.config.clone(), listener, shutdown.clone()));
        // A test that fails stops it as well, or its threads would keep the test from ending.
        Running { shutdown: shutdown.drop_guard(), task }
    }

    pub fn sink(&self) -> Sink {
        Sink::new(&self.config.clickhouse, self.config.batch.insert_timeout(), None)
    }

    pub async fn produce(&self, topic: &str, key: &str, event: &impl serde::Serialize) {
        let payload = serde_json::to_vec(event).expect("serialises");
        self.produce_bytes(topic, key, &payload).await;
    }

    pub async fn produce_bytes(&self, topic: &str, key: &str, payload: &[u8]) {
        let record = FutureRecord::to(topic).key(key).payload(payload);
        self.producer.send(record, PATIENCE).await.expect("acknowledged");
    }

    pub async fn scan(&self, scan: &ScanEvent) {
        self.produce(&self.topics.scans, &scan.person.to_string(), scan).await;
    }

    pub async fn scans(&self, scans: &[ScanEvent]) {
        // Side by side: one after the other would wait for an acknowledgement each.
        futures::future::join_all(scans.iter().map(|scan| self.scan(scan))).await;
    }

    pub async fn health(&self, event: &HealthEvent) {
        self.produce(&self.topics.health, &event.person.to_string(), event).await;
    }

    pub async fn counts(&self) -> [u64; 3] {
        let mut counts = [0; 3];
        for (count, table) in counts.iter_mut().zip(schemas::ddl::SCAN_TABLES) {
            *count = self.query_u64(&format!("SELECT count() FROM {table}")).await;
        }
        counts
    }

    /// Holds what is stored against what must be: so many rows in every table, no message twice, and whatever is counted
    /// by a projection is what its rows count.
    pub async fn assert_exact(&self, expected: u64) {
        assert_eq!(self.counts().await, [expected; 3]);
        for table in schemas::ddl::SCAN_TABLES {
            let distinct = self.query_u64(&format!("SELECT uniqExact(stream, kafka_offset) FROM {table}")).await;
            assert_eq!(distinct, expected, "{table}");
        }
        self.assert_counts(expected).await;
    }

    /// Holds what each projection keeps of so many rows against the rows.
    pub async fn assert_counts(&self, expected: u64) {
        for (projection, keys, measures) in KEPT.iter() {
            let sql = format!(
                "SELECT toString(({keys}, {measures})) AS line FROM scans_by_venue GROUP BY {keys} ORDER BY line"
            );
            let lines = async |settings: &[(&str, &str)]| -> Vec<String> {
                let client = self.config.clickhouse.query_client();
                let client = settings.iter().fold(client, |client, (name, value)| client.with_setting(*name, *value));
                client.query(&sql).fetch_all().await.expect("counts")
            };
            let counted = lines(&[("optimize_use_projections", "0")]).await;
            let kept = [("force_optimize_projection", "1"), ("force_optimize_projection_name", projection)];
            assert_eq!(lines(if expected > 0 { &kept } else { &[] }).await, counted, "{projection}");
        }
    }

    /// Runs one statement as the owner of the database.
    pub async fn run(&self, sql: &str) {
        self.config.clickhouse.query_client().query(sql).execute().await.expect(sql);
    }

    /// Waits until a marker scan of a person of its own, sent to each partition, is stored: then all sent before
    /// it are dealt with, whether stored or not.
    pub async fn settle(&self) {
        for partition in 0..self.config.kafka.partitions {
            let at = NOON + i64::from(rand::random::<u16>());
            let marker = scan_event(0xffff_0000 + u64::from(rand::random::<u16>()), 9, at);
            let payload = serde_json::to_vec(&marker).expect("serialises");
            let key = marker.person.to_string();
            let record = FutureRecord::to(&self.topics.scans).partition(partition).key(&key).payload(&payload);
            self.producer.send(record, PATIENCE).await.expect("acknowledged");
            let sql = format!("SELECT count() FROM scan_ids WHERE event_id = '{}'", marker.event_id);
            let what = format!("the marker of partition {partition} is not stored");
            until(&what, async || self.query_u64(&sql).await > 0).await;
        }
    }
}

pub fn person(number: u64) -> PersonKey {
    PersonKey::from_u64(1 << 60 | number).expect("valid")
}

pub fn scan_event(who: u64, venue: u32, at: i64) -> ScanEvent {
    let (person, method, direction) = (person(who), Method::VenueCode, Direction::Entry);
    ScanEvent {
        v: 1,
        event_id: ScanEvent::derive_id(person, venue, at, method, direction),
        person,
        venue,
        method,
        direction,
        scanned_at: at,
        accepted_at_ms: now_ms(),
        verdict: Verdict::Admit,
        reasons: Reasons::NONE,
        colour: Colour::Green,
        exemption: Exemption::None,
        far_from_venue: false,
        freight: None,
    }
}

pub fn health_event(who: u64, colour: Colour, since: i64) -> HealthEvent {
    let text = |text: &str| text.to_owned();
    HealthEvent {
        v: 1,
        person: person(who),
        colour,
        since,
        expires_at: None,
        issuer: text("city CDC"),
        evidence: text("E-1"),
        reason: text("screening"),
        sent_by: None,
        release: None,
        newest: None,
    }
}

fn venue_event(venue: u32) -> VenueEvent {
    VenueEvent {
        v: 1,
        venue,
        serial: 0,
        status: VenueStatus::Active,
        name: format!("Venue {venue}"),
        category: "catering".to_owned(),
        district: 310_100 + venue,
        address: "1 Test Road".to_owned(),
        door: None,
        organisation: None,
        latitude: None,
        longitude: None,
        valid_from: None,
        valid_until: None,
        revision: None,
    }
}

pub fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_millis()).expect("before the year 292 million")
}
