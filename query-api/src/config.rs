//! Configuration of the query service.

use service::{AccessConfig, ClickHouseConfig, CodeConfig, HttpConfig};

use crate::{audit::AuditConfig, page::PageConfig, poster::PosterConfig};

/// Everything that the query service can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Where it listens.
    #[command(flatten)]
    pub http: HttpConfig,
    /// Whom it lets in.
    #[command(flatten)]
    pub access: AccessConfig,
    /// Where ClickHouse is; the user needs to read the tables, to insert into `audit_log`, and nothing else.
    #[command(flatten)]
    pub clickhouse: ClickHouseConfig,
    /// What a query may cost.
    #[command(flatten)]
    pub query: QueryConfig,
    /// With what reads are written down.
    #[command(flatten)]
    pub audit: AuditConfig,
    /// How the codes on posters are signed.
    #[command(flatten)]
    pub codes: CodeConfig,
    /// How posters are printed.
    #[command(flatten)]
    pub posters: PosterConfig,
    /// What the page behind a code knows.
    #[command(flatten)]
    pub page: PageConfig,
}

/// What a query may cost, and whose clock days are counted by.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Queries")]
pub struct QueryConfig {
    /// City profile: the name of a built-in one, or the path of a .toml file; its clock sets where hours and days begin
    #[arg(long, env = "VENUECODE_CITY", default_value = "shanghai", value_name = "NAME|FILE")]
    pub city: String,
    /// Seconds after which ClickHouse gives a query up
    #[arg(long, env = "VENUECODE_MAX_EXECUTION_TIME_S", default_value_t = 30, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub max_execution_time_s: u32,
    /// Requests that are answered at the same time; others wait for up to 5 s and are then refused
    #[arg(long, env = "VENUECODE_MAX_CONCURRENT_REQUESTS", default_value_t = 32, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub max_concurrent_requests: u32,
    /// Visits of a person that one trace follows, oldest first
    #[arg(long, env = "VENUECODE_MAX_VISITS", default_value_t = 10_000, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_visits: u32,
    /// Encounters that one trace lists; those of a contact are listed all or not at all
    #[arg(long, env = "VENUECODE_MAX_ENCOUNTERS", default_value_t = 200_000, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub max_encounters: u32,
    /// Scans of others that one trace looks at; with more it is refused
    #[arg(long, env = "VENUECODE_MAX_CONTACT_SCANS", default_value_t = 2_000_000, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub max_contact_scans: u32,
    /// Windows times weeks up to which a trace names the ranges of the key that it needs; with more it reads the
    /// venues whole, since looking up a range in many weeks costs more than it spares
    #[arg(long, env = "VENUECODE_MAX_WINDOW_RANGES", default_value_t = 120, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub max_window_ranges: u32,
}
