//! What all requests share.

use std::sync::Arc;

use axum::http::HeaderValue;
use metrics_exporter_prometheus::PrometheusHandle;
use schemas::{PersonKey, PlateKey, Retention, Topics, TripEvent, Verdict};
pub use service::clock::now_ms;
use service::{
    Readiness,
    access::{Subject, Verifier},
    shutdown::WholeOrNone,
    telemetry::init_metrics,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    Config,
    admission::{Admission, Clients},
    config::{BulkConfig, City, LimitConfig},
    error::IngestError,
    guesses::Guesses,
    limit::Limiter,
    metrics::Metrics,
    person::People,
    producer::Producer,
    recognition::Proof,
    route::{self, Route},
    scan::{Accepted, Scan},
    spool::Spool,
    tables::{self, Snapshots, Tables, TripSeen, Trips, Venue},
};

/// The gateway's parts, shared by all requests.
pub struct Gateway {
    /// Who gets in at all.
    pub(crate) verifier: Arc<Verifier>,
    /// Rules and keys.
    pub(crate) city: City,
    /// What is taken.
    pub(crate) limits: LimitConfig,
    /// When a health feed needs a second account.
    pub(crate) bulk: BulkConfig,
    /// For how long what is asked for waits, and then holds, in milliseconds.
    pub(crate) release_ms: i64,
    /// From whom how much.
    pub(crate) limiter: Limiter,
    /// Who guesses at last four characters; only where the city asks for them.
    pub(crate) guesses: Option<Guesses>,
    /// What a scan is answered from.
    pub(crate) tables: Arc<Tables>,
    /// What a lorry's crew is told of its trip; only where the city has codes for lorries.
    pub(crate) trips: Option<Arc<Trips>>,
    /// Where a snapshot of them is kept.
    pub(crate) snapshots: Option<Arc<Snapshots>>,
    /// Who gets in when more comes than can be kept.
    pub(crate) admission: Admission,
    /// Who is connected.
    pub(crate) clients: Arc<Clients>,
    /// The way to Kafka.
    pub(crate) producer: Producer,
    /// Where scans go while Kafka is out of reach; without one they are refused.
    pub(crate) spool: Option<Spool>,
    /// Which of the two ways scans take now.
    pub(crate) route: Arc<Route>,
    /// Names of the topics.
    pub(crate) topics: Topics,
    /// Counters.
    pub(crate) metrics: Metrics,
    /// Whose page may send scans besides one's own.
    pub(crate) page_origin: Option<HeaderValue>,
    /// Whether requests may be sent here.
    pub(crate) readiness: Readiness,
    /// Renders all metrics of the process.
    pub(crate) prometheus: PrometheusHandle,
    /// Cancelled when the producer or another part cannot go on.
    pub(crate) failed_for_good: CancellationToken,
}

impl Gateway {
    /// Reads profile and keys and sets up the producer; connects to nothing yet.
    ///
    /// # Errors
    /// When a setting cannot be used; the message names it.
    pub fn try_new(config: &Config) -> anyhow::Result<Arc<Self>> {
        let city = config.city.load()?;
        let verifier = Verifier::try_new(&config.access)?;
        let prometheus = init_metrics()?;
        let failed_for_good = CancellationToken::new();
        let (mut limits, route) = (config.limits.clone(), Arc::<Route>::default());
        if let Some(retention) = config.retention.of(&city.profile) {
            limits.max_scan_age_days = limits.max_scan_age_days.min(retention.accepted_days().into());
        }
        let spool = config.spool.open(WholeOrNone(failed_for_good.clone()))?;
        let readiness = Readiness::waiting_for(&[tables::CONDITION]);
        if spool.is_some() {
            readiness.met(route::CONDITION);
        }
        Ok(Arc::new(Self {
            verifier,
            guesses: city.profile.scanning.last_four.map(Guesses::new),
            trips: city.profile.freight.map(|_| Arc::new(Trips::new(Retention::of(&city.profile)))),
            city,
            limiter: Limiter::new(&limits),
            bulk: config.bulk.clone(),
            release_ms: i64::from(config.releases.release_hours) * 3_600_000,
            admission: Admission::new(limits.body_memory_bytes()),
            clients: Arc::new(Clients::new(
                limits.limit_connections as usize,
                limits.limit_client_connections as usize,
            )),
            limits,
            tables: Arc::default(),
            snapshots: config.tables.open()?,
            producer: Producer::try_new(&config.kafka, &config.producer, Arc::clone(&route), failed_for_good.clone())?,
            spool,
            route,
            topics: config.kafka.topics(),
            metrics: Metrics::new(),
            page_origin: config.page.page_origin.clone(),
            readiness,
            prometheus,
            failed_for_good,
        }))
    }

    /// Lets a request in: its client has scans left, and the tables can be trusted.
    ///
    /// # Errors
    /// [`IngestError::TooManyRequests`] or [`IngestError::NotReady`].
    pub(crate) fn let_in(&self, client: &Subject, scans: usize) -> Result<(), IngestError> {
        self.tables.ensure_caught_up()?;
        self.limiter.take(client.key, scans)
    }

    /// Until when what is asked for or released now waits or holds.
    pub(crate) const fn releases_until(&self, now_ms: i64) -> i64 {
        now_ms.saturating_add(self.release_ms)
    }

    /// Decides a scan with what the tables say of its venue and person.
    ///
    /// # Errors
    /// As [`Scan::accept`], [`Proof::check`] and [`Scan::freight_at`].
    pub(crate) fn accept<'v>(
        &self,
        scan: &Scan,
        venue: Option<&'v Venue>,
        now_ms: i64,
    ) -> Result<(Accepted, &'v Venue), IngestError> {
        let health = self.tables.health(scan.person).to_health();
        let mut accepted = scan.accept(venue, health, &self.city, &self.limits, now_ms)?;
        let venue = venue.ok_or(IngestError::Internal)?;
        self.recognise(scan, &accepted, venue, now_ms)?;
        accepted.event.freight = scan.freight_at(venue, &self.city)?;
        Ok((accepted, venue))
    }

    /// What a lorry's scan is for its trip, as far as this gateway knows.
    pub(crate) fn see_trip(&self, event: &TripEvent, scan: Uuid) -> Option<TripSeen> {
        // While Kafka is away others may have declared and scanned what is not known here.
        let known = self.trips.as_ref().filter(|_| !self.route.is_spooling());
        known.and_then(|trips| trips.see(event, scan))
    }

    /// Notes what was kept of a lorry, so that whoever asks this gateway next finds it, whether the topic brought it back
    /// already or not.
    pub(crate) fn note_trip(&self, event: &TripEvent) {
        self.trips.iter().for_each(|trips| trips.note(event));
    }

    /// Makes sure that an accepted scan comes from the person whom it names, where the city asks. One that came too
    /// late for a verdict lets nobody in, and the person is gone: it is kept as it is.
    ///
    /// # Errors
    /// As [`Proof::check`].
    fn recognise(&self, scan: &Scan, accepted: &Accepted, venue: &Venue, now_ms: i64) -> Result<(), IngestError> {
        if scan.proof == Proof::NotAsked || accepted.event.verdict == Verdict::Recorded {
            return Ok(());
        }
        let registration = self.tables.registration(scan.person);
        let guesses = self.guesses.as_ref();
        scan.proof.check(&self.city, guesses, scan.person, registration, venue, now_ms / 1000)
    }
}

impl People for Gateway {
    fn knows(&self, person: PersonKey) -> bool {
        self.tables.knows(person)
    }

    fn is_registered(&self, person: PersonKey) -> bool {
        self.tables.registration(person).is_any()
    }

    fn guardian_of(&self, person: PersonKey) -> Option<PersonKey> {
        self.tables.guardian(person)
    }

    fn knows_lorry(&self, vehicle: PlateKey) -> Option<bool> {
        self.trips.as_ref().map_or(Some(false), |trips| trips.knows(vehicle))
    }
}
