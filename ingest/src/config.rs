//! Settings of the gateway: each one a flag and an environment variable.

use std::{num::NonZeroU32, path::PathBuf, sync::Arc};

use anyhow::Context;
use axum::http::HeaderValue;
use schemas::{CityProfile, KeyRing, admission::Policy};
use service::{
    AccessConfig, CodeConfig, HttpConfig, KafkaConfig, RetentionConfig, city::read_city, code::CodeSigner,
    secret::read_key_ring, shutdown::WholeOrNone,
};

use crate::{
    person::{Keys, People},
    spool::Spool,
    tables::Snapshots,
    wording::Sentences,
};

/// Settings of the gateway.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Where it listens.
    #[command(flatten)]
    pub http: HttpConfig,
    /// Whom it lets in.
    #[command(flatten)]
    pub access: AccessConfig,
    /// Where Kafka is.
    #[command(flatten)]
    pub kafka: KafkaConfig,
    /// How it produces.
    #[command(flatten)]
    pub producer: ProducerConfig,
    /// Where scans go while Kafka is out of reach.
    #[command(flatten)]
    pub spool: SpoolConfig,
    /// How it is ready soon after a restart.
    #[command(flatten)]
    pub tables: TablesConfig,
    /// How it ends.
    #[command(flatten)]
    pub shutdown: ShutdownConfig,
    /// Which city, and with which keys.
    #[command(flatten)]
    pub city: CityConfig,
    /// What it takes from whom.
    #[command(flatten)]
    pub limits: LimitConfig,
    /// Whether scans that are past are refused.
    #[command(flatten)]
    pub retention: RetentionConfig,
    /// When a health feed needs a second account.
    #[command(flatten)]
    pub bulk: BulkConfig,
    /// How long releases hold.
    #[command(flatten)]
    pub releases: ReleaseConfig,
    /// Which page may send scans.
    #[command(flatten)]
    pub page: PageConfig,
}

/// Which page may send scans.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Page behind a code")]
pub struct PageConfig {
    /// Origin of the page behind codes, such as https://code.example, when it is not that of the gateway: browsers let no
    /// other page read answers
    #[arg(long, env = "VENUECODE_PAGE_ORIGIN", value_name = "ORIGIN")]
    pub page_origin: Option<HeaderValue>,
}

/// How the gateway produces to Kafka.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Kafka")]
pub struct ProducerConfig {
    /// How long a message waits for company before it is sent, in milliseconds: adds to each answer's time
    #[arg(long, env = "VENUECODE_LINGER_MS", default_value_t = 5, value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub linger_ms: u16,
    /// Messages that may wait for Kafka; above that requests are refused with 503
    #[arg(long, env = "VENUECODE_QUEUE_MESSAGES", default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub queue_messages: u32,
    /// How long Kafka may take to acknowledge, in milliseconds; keep it below the clients' own time-out
    #[arg(long, env = "VENUECODE_ACK_TIMEOUT_MS", default_value_t = 8_000, value_parser = clap::value_parser!(u32).range(100..=300_000))]
    pub ack_timeout_ms: u32,
}

/// Where the gateway keeps scans while Kafka is out of reach.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Spool")]
pub struct SpoolConfig {
    /// Directory where scans are kept on disk while Kafka is out of reach; each gateway needs one of its own. Without
    /// it such scans are refused with 503
    #[arg(long = "spool", env = "VENUECODE_SPOOL", value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// Most bytes in it, about 330 per scan; when it is full scans are refused with 503
    #[arg(long, env = "VENUECODE_SPOOL_MAX_BYTES", default_value_t = 4 << 30, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1 << 20..))]
    pub spool_max_bytes: u64,
    /// How long Kafka may leave a scan unacknowledged before it counts as out of reach, in milliseconds
    #[arg(long, env = "VENUECODE_SPOOL_AFTER_MS", default_value_t = 2_000, value_name = "MS", value_parser = clap::value_parser!(u32).range(100..=10_000))]
    pub spool_after_ms: u32,
}

/// Where the gateway keeps a snapshot of its tables.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Tables")]
pub struct TablesConfig {
    /// Directory for a snapshot of the tables, so that only what came since is read from Kafka after a restart; each
    /// gateway needs one of its own. Without it the topics are read whole
    #[arg(long = "tables", env = "VENUECODE_TABLES", value_name = "DIR")]
    pub tables_directory: Option<PathBuf>,
    /// How often a snapshot is written, in seconds; one more is written at the end
    #[arg(long = "tables-every", env = "VENUECODE_TABLES_EVERY", default_value_t = 600, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub tables_every_s: u32,
    /// Snapshots older than so many hours are not used: Kafka must still have the deletions since
    /// (`delete.retention.ms`, 24 h unless set otherwise)
    #[arg(long, env = "VENUECODE_TABLES_MAX_AGE_HOURS", default_value_t = 12, value_name = "HOURS", value_parser = clap::value_parser!(u32).range(1..=8_760))]
    pub tables_max_age_hours: u32,
}

/// How the gateway ends.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "HTTP")]
pub struct ShutdownConfig {
    /// How long it still takes requests after it was asked to stop, in milliseconds: `/readyz` says so at once, so
    /// that a load balancer can send them elsewhere
    #[arg(long, env = "VENUECODE_SHUTDOWN_DELAY_MS", default_value_t = 0, value_name = "MS", value_parser = clap::value_parser!(u32).range(0..=60_000))]
    pub shutdown_delay_ms: u32,
}

/// Which city the gateway serves, and its keys.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "City")]
pub struct CityConfig {
    /// City profile: the name of a built-in one, or the path of a .toml file
    #[arg(long = "city", env = "VENUECODE_CITY", default_value = "shanghai", value_name = "NAME|FILE")]
    pub name: String,
    /// How venue codes are signed.
    #[command(flatten)]
    pub codes: CodeConfig,
    /// File with the keys that turn documents into person keys, as lines of VERSION:HEX
    #[arg(long, env = "VENUECODE_PERSON_KEYS_FILE", value_name = "FILE")]
    pub person_keys_file: PathBuf,
    /// File with the keys that encrypt what names a person, as lines of VERSION:HEX
    #[arg(long, env = "VENUECODE_IDENTITY_KEYS_FILE", value_name = "FILE")]
    pub identity_keys_file: PathBuf,
}

/// What the gateway takes, and from each client how much.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitConfig {
    /// Scans, lines and look-ups per second that one client may send
    #[arg(long, env = "VENUECODE_LIMIT_SCANS_PER_SECOND", default_value = "50000", value_name = "N")]
    pub limit_scans_per_second: NonZeroU32,
    /// How many of them at once
    #[arg(long, env = "VENUECODE_LIMIT_SCANS_BURST", default_value = "100000", value_name = "N")]
    pub limit_scans_burst: NonZeroU32,
    /// Connections in all; above that a connection is answered with 503
    #[arg(long, env = "VENUECODE_LIMIT_CONNECTIONS", default_value_t = 16_384, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit_connections: u32,
    /// Connections of one client
    #[arg(long, env = "VENUECODE_LIMIT_CLIENT_CONNECTIONS", default_value_t = 8_192, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit_client_connections: u32,
    /// Memory for the bodies of all requests together, in MiB; above that requests are refused with 503
    #[arg(long, env = "VENUECODE_LIMIT_BODY_MIB", default_value_t = 256, value_name = "MIB", value_parser = clap::value_parser!(u32).range(16..=65_536))]
    pub limit_body_mib: u32,
    /// Scans older than so many seconds get no verdict: they are recorded
    #[arg(long = "late-after", env = "VENUECODE_LATE_AFTER", default_value_t = 600, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub late_after_s: u32,
    /// Scans older than so many days are refused, and sooner if the city keeps them for less
    #[arg(long, env = "VENUECODE_MAX_SCAN_AGE_DAYS", default_value_t = 366, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_525))]
    pub max_scan_age_days: u32,
    /// How far the clock of a client may be ahead, in seconds
    #[arg(long = "max-ahead", env = "VENUECODE_MAX_AHEAD", default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=86_400))]
    pub max_ahead_s: u32,
}

/// When changes of health codes wait for a second account.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Bulk changes")]
pub struct BulkConfig {
    /// People whom one account may turn yellow or red within an hour by itself; a batch beyond that waits until another
    /// account sends the same one
    #[arg(long, env = "VENUECODE_BULK_CHANGES", default_value_t = 100, value_name = "N")]
    pub bulk_changes: u32,
    /// How long it waits, in hours
    #[arg(long, env = "VENUECODE_BULK_HOURS", default_value_t = 24, value_name = "HOURS", value_parser = clap::value_parser!(u32).range(1..=168))]
    pub bulk_hours: u32,
    /// Accounts of automatic feeds (`sub` of their tokens), to which this does not apply; separated by commas
    #[arg(long, env = "VENUECODE_AUTOMATIC_FEEDS", value_name = "ACCOUNT", value_delimiter = ',')]
    pub automatic_feeds: Vec<String>,
}

/// How long what may be read of anyone's movements may be read.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Releases")]
pub struct ReleaseConfig {
    /// Hours within which what somebody asks to read has to be released by another account, and then may be read
    #[arg(long, env = "VENUECODE_RELEASE_HOURS", default_value_t = 72, value_name = "HOURS", value_parser = clap::value_parser!(u32).range(1..=336))]
    pub release_hours: u32,
}

/// What the city's settings stand for, read and checked.
#[derive(Debug, Clone)]
pub struct City {
    /// The profile.
    pub profile: CityProfile,
    /// Its rules.
    pub policy: Policy,
    /// Its sentences.
    pub sentences: Sentences,
    /// Signs and verifies venue codes.
    pub codes: CodeSigner,
    /// Turns documents into person keys.
    pub person_keys: KeyRing,
    /// Encrypts what names a person.
    pub identity_keys: KeyRing,
}

impl SpoolConfig {
    /// Takes the directory over; `None` when there is to be no spool. `whole` is told if the thread that writes panics.
    ///
    /// # Errors
    /// When another gateway uses it, or it cannot be read or written.
    pub fn open(&self, whole: WholeOrNone) -> anyhow::Result<Option<Spool>> {
        self.directory.as_deref().map(|directory| Spool::open(directory, self.spool_max_bytes, whole)).transpose()
    }
}

impl TablesConfig {
    /// Takes the directory over; `None` when there is to be no snapshot.
    ///
    /// # Errors
    /// When another gateway uses it, or it cannot be made.
    pub fn open(&self) -> anyhow::Result<Option<Arc<Snapshots>>> {
        let open = |directory: &PathBuf| Snapshots::open(directory, self.tables_max_age_hours).map(Arc::new);
        self.tables_directory.as_ref().map(open).transpose()
    }
}

impl LimitConfig {
    /// Memory for bodies, in bytes.
    pub const fn body_memory_bytes(&self) -> usize {
        self.limit_body_mib as usize * 1024 * 1024
    }
}

impl City {
    /// The ring that hashes people and lorries, with who is known under which of its keys.
    pub const fn keys<'k>(&'k self, people: &'k dyn People) -> Keys<'k> {
        Keys { ring: &self.person_keys, people }
    }
}

impl CityConfig {
    /// Reads the profile and the keys.
    ///
    /// # Errors
    /// When there is no such profile, a key file cannot be read, or the URL cannot stand before a code.
    pub fn load(&self) -> anyhow::Result<City> {
        let profile = read_city(&self.name).context("--city")?;
        Ok(City {
            policy: Policy::new(&profile),
            sentences: Sentences::new(&profile),
            profile,
            codes: self.codes.load()?,
            person_keys: read_key_ring(&self.person_keys_file)?,
            identity_keys: read_key_ring(&self.identity_keys_file)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        config: Config,
    }

    #[test]
    fn the_key_files_are_all_that_must_be_given() {
        let files = ["--code-keys-file", "c", "--person-keys-file", "p", "--identity-keys-file", "i"];
        let files = ["t"].into_iter().chain(files).chain(["--token-keys-file", "k"]);
        let cli = Cli::try_parse_from(files).expect("parses");
        assert_eq!(cli.config.producer.linger_ms, 5);
        assert_eq!(cli.config.limits.limit_scans_burst.get(), 100_000);
        assert!(Cli::try_parse_from(["t"]).is_err());
    }
}
