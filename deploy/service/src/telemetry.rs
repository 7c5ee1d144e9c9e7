//! Logs and metrics. Logs go to standard error, metrics are rendered for Prometheus.

use std::sync::OnceLock;

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use parking_lot::Mutex;

/// How a process writes its log.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Logs")]
pub struct TelemetryConfig {
    /// What is logged, as LEVEL or TARGET=LEVEL,…
    #[arg(long, env = "VENUECODE_LOG", default_value = "info,rdkafka=warn", value_name = "FILTER")]
    pub log: String,
    /// One JSON object per line instead of plain text
    #[arg(long, env = "VENUECODE_LOG_JSON")]
    pub log_json: bool,
}

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Bounds of every histogram, in seconds (metrics named `…_seconds`).
const SECONDS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Starts logging; call it once, in `main`.
///
/// # Errors
/// When the filter cannot be read.
pub fn init_logs(config: &TelemetryConfig) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(&config.log)
        .with_context(|| format!("--log `{}` is not a filter: expected LEVEL or TARGET=LEVEL,…", config.log))?;
    // A line that cannot be written is lost. The default reports that on standard error, which panics when standard
    // error is what cannot be written to: a service whose log reader has gone would answer and stop no more.
    let logs =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    if config.log_json { logs.json().try_init() } else { logs.with_ansi(false).try_init() }.ok();
    Ok(())
}

/// Installs the metrics recorder of this process, once, and returns what renders it.
///
/// # Errors
/// When another recorder is installed already.
pub fn init_metrics() -> anyhow::Result<PrometheusHandle> {
    static STARTING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = STARTING.lock();
    if let Some(handle) = METRICS.get() {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
        .install_recorder()?;
    Ok(METRICS.get_or_init(|| handle).clone())
}
