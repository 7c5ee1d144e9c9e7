//! What every request shares.

use std::sync::Arc;

use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use schemas::CityProfile;
use service::{Readiness, access::Verifier, city::read_city, code::CodeSigner};
use tokio::sync::Semaphore;

use crate::{
    Config, QueryConfig,
    audit::AuditLog,
    exposure::{Beliefs, Dwells},
    live::Live,
    metrics,
    page::Page,
    poster::PrintShop,
    routes::AliasKey,
    store::Store,
    tables,
};

/// One slot in so many is for people who look at what is kept of themselves.
const OWN_SHARE: u32 = 4;

/// State of the router; cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

struct Inner {
    store: Store,
    audit: AuditLog,
    live: Arc<Live>,
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
    own_slots: Arc<Semaphore>,
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
        Ok(Self(Arc::new(Inner {
            live: Arc::new(Live::new(store.clone(), offset_s, &config.query)),
            store,
            audit: AuditLog::try_new(&config.audit, &config.clickhouse).context("--audit-key-file")?,
            beliefs: Beliefs::of(&city),
            dwells: Dwells::of(&city),
            city,
            aliases: AliasKey::derived_from(&signer.keys),
            signer,
            posters: PrintShop::new(&config.posters),
            page: Page::try_new(&config.page)?,
            slots: Semaphore::new(config.query.max_concurrent_requests as usize),
            own_slots: Arc::new(Semaphore::new((config.query.max_concurrent_requests / OWN_SHARE).max(1) as usize)),
            limits: config.query.clone(),
            readiness: Readiness::waiting_for(&[tables::CONDITION]),
            verifier,
            metrics,
        })))
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn live(&self) -> &Arc<Live> {
        &self.0.live
    }

    pub(crate) fn audit(&self) -> &AuditLog {
        &self.0.audit
    }

    pub(crate) fn city(&self) -> &CityProfile {
        &self.0.city
    }

    /// How far the city's clock is ahead of UTC, in seconds.
    pub(crate) fn offset_s(&self) -> i64 {
        i64::from(self.0.city.utc_offset_minutes) * 60
    }

    /// What the city believes of scans.
    pub(crate) fn beliefs(&self) -> &Beliefs {
        &self.0.beliefs
    }

    /// How long people stay at the venues of the city.
    pub(crate) fn dwells(&self) -> &Dwells {
        &self.0.dwells
    }

    /// Within how many seconds two methods at one point are one visit; 0 where the city says nothing of it.
    pub(crate) fn either_or_s(&self) -> u32 {
        u32::from(self.0.city.scanning.either_or_minutes.unwrap_or_default()) * 60
    }

    pub(crate) fn signer(&self) -> &CodeSigner {
        &self.0.signer
    }

    /// What masks people in details of scans.
    pub(crate) fn aliases(&self) -> &AliasKey {
        &self.0.aliases
    }

    pub(crate) fn posters(&self) -> &PrintShop {
        &self.0.posters
    }

    pub(crate) fn page(&self) -> &Page {
        &self.0.page
    }

    pub(crate) fn limits(&self) -> &QueryConfig {
        &self.0.limits
    }

    pub(crate) fn readiness(&self) -> &Readiness {
        &self.0.readiness
    }

    pub(crate) fn verifier(&self) -> &Arc<Verifier> {
        &self.0.verifier
    }

    pub(crate) fn slots(&self) -> &Semaphore {
        &self.0.slots
    }

    /// Those of the slots that people may have who look at what is kept of themselves.
    pub(crate) fn own_slots(&self) -> &Arc<Semaphore> {
        &self.0.own_slots
    }

    pub(crate) fn metrics(&self) -> &PrometheusHandle {
        &self.0.metrics
    }
}
