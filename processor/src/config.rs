//! Configuration of the processor.

use std::time::Duration;

use service::{ClickHouseConfig, HttpConfig, KafkaConfig, RetentionConfig};

use crate::fault::Fault;

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
    /// Whether what is past is forgotten.
    #[command(flatten)]
    pub retention: RetentionConfig,
    /// City profile, which says how applications are decided and how long scans are kept: the name of a built-in one, or
    /// the path of a .toml file
    #[arg(long, env = "VENUECODE_CITY", default_value = "shanghai", value_name = "NAME|FILE")]
    pub city: String,
    /// After how many minutes without acknowledgement an alert is escalated
    #[arg(long, env = "VENUECODE_ESCALATE_MINUTES", default_value_t = 15, value_name = "MINUTES", value_parser = clap::value_parser!(u64).range(1..=1_440))]
    pub escalate_minutes: u64,
    /// Which partitions this instance holds
    #[arg(long, env = "VENUECODE_HOLD", default_value = "group", value_enum)]
    pub hold: Hold,
    /// A mistake on purpose, for testing the tests
    #[arg(long, env = "VENUECODE_FAULT", hide = true, value_enum)]
    pub fault: Option<Fault>,
}

/// Which partitions of `scans`, and of the topics that machines fold, an instance holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Hold {
    /// Those that the consumer group gives it, shared with the other instances.
    Group,
    /// All of them; for a single instance, which is then back at once after it was killed.
    All,
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
    /// How long ClickHouse may take to store a batch before it is sent again, in seconds
    #[arg(long, env = "VENUECODE_INSERT_TIMEOUT_S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub insert_timeout_s: u64,
}

impl Config {
    /// [`Config::escalate_minutes`] as a duration.
    pub const fn escalate_after(&self) -> Duration {
        Duration::from_secs(self.escalate_minutes * 60)
    }
}

impl BatchConfig {
    /// [`BatchConfig::batch_ms`] as a duration.
    pub const fn linger(&self) -> Duration {
        Duration::from_millis(self.batch_ms)
    }

    /// [`BatchConfig::insert_timeout_s`] as a duration.
    pub const fn insert_timeout(&self) -> Duration {
        Duration::from_secs(self.insert_timeout_s)
    }
}
