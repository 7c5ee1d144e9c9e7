//! The query service as a process of its own.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser};
use query_api::Config;
use service::telemetry::{TelemetryConfig, init_logs};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Answers questions about stored scans: traces, visits, visitors, footfall and statistics.
#[derive(Debug, Parser)]
#[command(name = "venuecode-query-api", version)]
struct Cli {
    #[command(flatten)]
    config: Config,
    #[command(flatten)]
    telemetry: TelemetryConfig,
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = Cli::command().mut_arg("listen", |listen| listen.default_value("127.0.0.1:8082"));
    let cli = Cli::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
    match start(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("venuecode-query-api: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn start(cli: Cli) -> anyhow::Result<()> {
    init_logs(&cli.telemetry)?;
    query_api::run(cli.config).await
}
