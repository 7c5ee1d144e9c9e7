//! What all requests share.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use metrics_exporter_prometheus::PrometheusHandle;
use schemas::Topics;
use service::{Readiness, telemetry::init_metrics};
use tokio_util::sync::CancellationToken;

use crate::{
    Config,
    config::{City, LimitConfig},
    error::IngestError,
    limit::Limiter,
    metrics::Metrics,
    producer::Producer,
    tables::{self, Tables},
};

/// The gateway's parts, shared by all requests.
pub struct Gateway {
    /// Rules and keys.
    pub(crate) city: City,
    /// What is taken.
    pub(crate) limits: LimitConfig,
    /// From whom how much.
    pub(crate) limiter: Limiter,
    /// What a scan is answered from.
    pub(crate) tables: Arc<Tables>,
    /// The way to Kafka.
    pub(crate) producer: Producer,
    /// Names of the topics.
    pub(crate) topics: Topics,
    /// Counters.
    pub(crate) metrics: Metrics,
    /// Whether requests may be sent here.
    pub(crate) readiness: Readiness,
    /// Renders all metrics of the process.
    pub(crate) prometheus: PrometheusHandle,
    /// Cancelled when the producer cannot go on.
    pub(crate) failed_for_good: CancellationToken,
}

impl Gateway {
    /// Reads profile and keys and sets up the producer; connects to nothing yet.
    ///
    /// # Errors
    /// When a setting cannot be used; the message names it.
    pub fn try_new(config: &Config) -> anyhow::Result<Arc<Self>> {
        let city = config.city.load()?;
        let prometheus = init_metrics()?;
        let failed_for_good = CancellationToken::new();
        Ok(Arc::new(Self {
            city,
            limits: config.limits.clone(),
            limiter: Limiter::new(&config.limits),
            tables: Arc::default(),
            producer: Producer::try_new(&config.kafka, &config.producer, failed_for_good.clone())?,
            topics: config.kafka.topics(),
            metrics: Metrics::new(),
            readiness: Readiness::waiting_for(&[tables::CONDITION]),
            prometheus,
            failed_for_good,
        }))
    }

    /// Lets a request in: its client has scans left, and the tables can be trusted.
    ///
    /// # Errors
    /// [`IngestError::TooManyRequests`] or [`IngestError::NotReady`].
    pub(crate) fn let_in(&self, client: SocketAddr, scans: usize) -> Result<(), IngestError> {
        self.tables.ensure_caught_up()?;
        self.limiter.take(client, scans)
    }
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}
