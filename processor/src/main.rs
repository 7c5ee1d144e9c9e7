//! The processor as a process.

use clap::Parser;
use service::telemetry::{self, TelemetryConfig};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Stores scans: reads them from Kafka, joins them with venue and health as of the scan, writes them to
/// ClickHouse exactly once.
#[derive(Parser)]
#[command(version, about)]
struct Args {
    #[command(flatten)]
    config: processor::Config,
    #[command(flatten)]
    telemetry: TelemetryConfig,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    telemetry::init_logs(&args.telemetry)?;
    processor::run(args.config).await
}
