//! The three services as children of this executable, and the `service` subcommand that is their body.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::Subcommand;
use service::telemetry::{self, TelemetryConfig};

use crate::child::{Child, ChildSpec, StopBy};
use crate::data_dir::DataDir;
use crate::{lifeline, probe};

/// Longer than a service takes to drain its requests and flush its producer.
const GRACE: Duration = Duration::from_secs(30);
const READY_PATIENCE: Duration = Duration::from_secs(120);

/// One service in this process, configured by the flags and environment variables of its own crate.
#[derive(Debug, Subcommand)]
pub enum Service {
    /// The gateway: everything that writes.
    Ingest(ingest::Config),
    /// The stream processor: stores each scan exactly once.
    Processor(processor::Config),
    /// Everything that reads.
    QueryApi(query_api::Config),
}

/// Runs one service until SIGTERM or SIGINT has drained it: the body of `venuecode service`.
///
/// # Errors
/// What the service reports.
pub async fn run(service: Service, logs: &TelemetryConfig) -> anyhow::Result<()> {
    lifeline::raise_sigterm_at_end()?;
    telemetry::init_logs(logs)?;
    match service {
        Service::Ingest(config) => ingest::run(config).await,
        Service::Processor(config) => processor::run(config).await,
        Service::QueryApi(config) => query_api::run(config).await,
    }
}

/// Starts the service `name` as a supervised child that listens on `listen`.
///
/// # Errors
/// The child could not be started.
pub fn start(
    name: &'static str,
    listen: SocketAddr,
    mut environment: Vec<(&'static str, OsString)>,
    data: &DataDir,
) -> anyhow::Result<Child> {
    environment.push(("VENUECODE_LISTEN", listen.to_string().into()));
    let arguments = vec!["service".into(), name.into()];
    let spec = ChildSpec { name, arguments, environment, stop_by: StopBy::Lifeline, grace: GRACE };
    Child::start(spec, data)
}

/// Waits until the service says on `/readyz` that it is ready.
///
/// # Errors
/// It ended first or took too long.
pub async fn until_ready(child: &Child, listen: SocketAddr) -> anyhow::Result<()> {
    let address = reachable(listen);
    child.until_ready(READY_PATIENCE, async || probe::answers_ok(address, "/readyz", &[]).await).await
}

/// The address under which this machine reaches a listener, which may listen on all of them.
#[must_use]
pub fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
