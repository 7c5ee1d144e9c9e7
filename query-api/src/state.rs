//! What every request shares.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use schemas::CityProfile;
use service::{Readiness, access::Verifier, city::read_city, code::CodeSigner};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    Config, QueryConfig, QueryError,
    audit::AuditLog,
    board::Board,
    directory::Directory,
    export::Exits,
    exposure::{Beliefs, Dwells},
    identities::Identities,
    jobs::Jobs,
    live::Live,
    metrics,
    page::Page,
    poster::PrintShop,
    report::ReportSigner,
    routes::AliasKey,
    store::Store,
    tables,
    turns::Turns,
};

/// How long a request waits for a slot.
const SLOT_WAIT: Duration = Duration::from_secs(5);
/// One slot in so many is for people who look at what is kept of themselves.
const OWN_SHARE: u32 = 4;

/// State of the router; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    inner: Arc<Inner>,
    /// Whether it is that of a job, whose queries may take longer.
    is_of_job: bool,
}

struct Inner {
    store: Store,
    job_store: Store,
    jobs: Arc<Jobs>,
    audit: AuditLog,
    identities: Identities,
    reports: ReportSigner,
    live: Arc<Live>,
    board: Arc<Board>,
    directory: Arc<Directory>,
    city: CityProfile,
    beliefs: Beliefs,
    dwells: Dwells,
    signer: CodeSigner,
    aliases: AliasKey,
    posters: PrintShop,
    page: Page,
    limits: QueryConfig,
    readiness: Readiness,
    verifier: Arc<Verifier>,
    slots: Semaphore,
    turns: Turns,
    own_slots: Arc<Semaphore>,
    exits: Exits,
    metrics: PrometheusHandle,
}

impl AppState {
    /// State that is not ready until the tables have been seen.
    ///
    /// # Errors
    /// When the city profile or a key file cannot be used, or another metrics recorder is installed.
    pub fn try_new(config: &Config) -> anyhow::Result<Self> {
        let city = read_city(&config.query.city).context("--city")?;
        let metrics = service::telemetry::init_metrics()?;
        metrics::describe();
        let verifier = Verifier::try_new(&config.access)?;
        let store = Store::new(&config.clickhouse, &config.query);
        let offset_s = i64::from(city.utc_offset_minutes) * 60;
        let signer = config.codes.load()?;
        let max_execution_time_s = config.jobs.job_max_execution_time_s;
        let of_jobs = QueryConfig { max_execution_time_s, ..config.query.clone() };
        let inner = Inner {
            live: Arc::new(Live::new(store.clone(), offset_s, &config.query)),
            directory: Arc::new(Directory::new(store.clone())),
            board: Arc::new(Board::new(store.clone(), offset_s, &config.query)),
            store,
            job_store: Store::new(&config.clickhouse, &of_jobs),
            jobs: Arc::new(Jobs::new(&config.jobs, &signer.keys)),
            audit: AuditLog::try_new(&config.audit, &config.clickhouse).context("--audit-key-file")?,
            identities: Identities::try_new(&config.identities).context("--identity-keys-file")?,
            reports: ReportSigner::try_new(&config.reports, &config.access.token_issuer)
                .context("--report-key-file")?,
            beliefs: Beliefs::of(&city),
            dwells: Dwells::of(&city),
            city,
            aliases: AliasKey::derived_from(&signer.keys),
            signer,
            posters: PrintShop::new(&config.posters),
            page: Page::try_new(&config.page)?,
            slots: Semaphore::new(config.query.max_concurrent_requests as usize),
            turns: Turns::new(
                config.query.max_traces as usize,
                Duration::from_secs(config.query.max_execution_time_s.into()),
            ),
            own_slots: Arc::new(Semaphore::new((config.query.max_concurrent_requests / OWN_SHARE).max(1) as usize)),
            exits: Exits::new(config.query.max_exports),
            limits: config.query.clone(),
            readiness: Readiness::waiting_for(&[tables::CONDITION]),
            verifier,
            metrics,
        };
        Ok(Self { inner: Arc::new(inner), is_of_job: false })
    }

    /// The same for a job.
    pub(crate) fn for_jobs(&self) -> Self {
        Self { is_of_job: true, ..self.clone() }
    }

    pub(crate) fn store(&self) -> &Store {
        if self.is_of_job { &self.inner.job_store } else { &self.inner.store }
    }

    pub(crate) fn jobs(&self) -> &Arc<Jobs> {
        &self.inner.jobs
    }

    pub(crate) fn exits(&self) -> &Exits {
        &self.inner.exits
    }

    pub(crate) fn live(&self) -> &Arc<Live> {
        &self.inner.live
    }

    /// Names and places of venues.
    pub(crate) fn directory(&self) -> &Arc<Directory> {
        &self.inner.directory
    }

    /// Footfall, from memory where it can.
    pub(crate) fn board(&self) -> &Arc<Board> {
        &self.inner.board
    }

    pub(crate) fn audit(&self) -> &AuditLog {
        &self.inner.audit
    }

    /// What opens registrations.
    pub(crate) fn identities(&self) -> &Identities {
        &self.inner.identities
    }

    pub(crate) fn reports(&self) -> &ReportSigner {
        &self.inner.reports
    }

    pub(crate) fn city(&self) -> &CityProfile {
        &self.inner.city
    }

    /// How far the city's clock is ahead of UTC, in seconds.
    pub(crate) fn offset_s(&self) -> i64 {
        i64::from(self.inner.city.utc_offset_minutes) * 60
    }

    /// What the city believes of scans.
    pub(crate) fn beliefs(&self) -> &Beliefs {
        &self.inner.beliefs
    }

    /// How long people stay at the venues of the city.
    pub(crate) fn dwells(&self) -> &Dwells {
        &self.inner.dwells
    }

    /// Within how many seconds two methods at one point are one visit; 0 where the city says nothing of it.
    pub(crate) fn either_or_s(&self) -> u32 {
        u32::from(self.inner.city.scanning.either_or_minutes.unwrap_or_default()) * 60
    }

    pub(crate) fn signer(&self) -> &CodeSigner {
        &self.inner.signer
    }

    /// What masks people in details of scans.
    pub(crate) fn aliases(&self) -> &AliasKey {
        &self.inner.aliases
    }

    pub(crate) fn posters(&self) -> &PrintShop {
        &self.inner.posters
    }

    pub(crate) fn page(&self) -> &Page {
        &self.inner.page
    }

    pub(crate) fn limits(&self) -> &QueryConfig {
        &self.inner.limits
    }

    pub(crate) fn readiness(&self) -> &Readiness {
        &self.inner.readiness
    }

    pub(crate) fn verifier(&self) -> &Arc<Verifier> {
        &self.inner.verifier
    }

    /// A slot for a request, held until it is answered.
    ///
    /// # Errors
    /// [`QueryError::Overloaded`] when none is free in time.
    pub(crate) async fn slot(&self) -> Result<SemaphorePermit<'_>, QueryError> {
        let slot = tokio::time::timeout(SLOT_WAIT, self.inner.slots.acquire()).await;
        // The semaphore is never closed; an error would mean the same as no slot.
        slot.ok().and_then(Result::ok).ok_or(QueryError::Overloaded)
    }

    /// Turns to trace.
    pub(crate) fn turns(&self) -> &Turns {
        &self.inner.turns
    }

    /// Those of the slots that people may have who look at what is kept of themselves.
    pub(crate) fn own_slots(&self) -> &Arc<Semaphore> {
        &self.inner.own_slots
    }

    pub(crate) fn metrics(&self) -> &PrometheusHandle {
        &self.inner.metrics
    }
}
