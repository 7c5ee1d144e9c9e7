//! Configuration of the processor.

use std::time::Duration;

use service::{ClickHouseConfig, HttpConfig, KafkaConfig};

/// Reads scans from Kafka, joins them with venue and health, and stores them in ClickHouse.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Where its health endpoints listen.
    #[command(flatten)]
    pub http: HttpConfig,
    /// Kafka.
    #[command(flatten)]
    pub kafka: KafkaConfig,
    /// ClickHouse.
    #[command(flatten)]
    pub clickhouse: ClickHouseConfig,
    /// How scans are batched.
    #[command(flatten)]
    pub batch: BatchConfig,
}

/// How scans are gathered into batches.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Batches")]
pub struct BatchConfig {
    /// Most messages in a batch
    #[arg(long, env = "VENUECODE_BATCH_ROWS", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=500_000))]
    pub batch_rows: u32,
    /// Time between batches while messages keep coming, in milliseconds
    #[arg(long, env = "VENUECODE_BATCH_MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub batch_ms: u64,
    /// How many offsets back, per partition, a scan sent again is known
    #[arg(long, env = "VENUECODE_DEDUP_WINDOW", default_value_t = 2_000_000)]
    pub dedup_window: u64,
}

impl BatchConfig {
    /// [`BatchConfig::batch_ms`] as a duration.
    pub const fn linger(&self) -> Duration {
        Duration::from_millis(self.batch_ms)
    }
}
