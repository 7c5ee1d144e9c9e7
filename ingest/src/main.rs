//! The `venuecode-ingest` binary: settings, logs, then the gateway until SIGTERM. Everything is in the library.

use clap::{CommandFactory, FromArgMatches, Parser};
use service::telemetry::{TelemetryConfig, init_logs};

/// Replaces Rust's malloc; librdkafka keeps the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The write gateway of VenueCode: takes scans, health codes, tests and venues, and shows the verdict
#[derive(Debug, Parser)]
#[command(name = "venuecode-ingest", version)]
struct Cli {
    #[command(flatten)]
    config: ingest::Config,
    #[command(flatten)]
    telemetry: TelemetryConfig,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let command = Cli::command().mut_arg("listen", |listen| listen.default_value("127.0.0.1:8080"));
    let cli = Cli::from_arg_matches(&command.get_matches())?;
    init_logs(&cli.telemetry)?;
    ingest::run(cli.config).await
}
