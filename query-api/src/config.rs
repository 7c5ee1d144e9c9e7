//! Configuration of the query service.

use service::{AccessConfig, ClickHouseConfig, CodeConfig, HttpConfig};

use crate::{
    audit::AuditConfig, identities::IdentityConfig, jobs::JobConfig, page::PageConfig, poster::PosterConfig,
    report::ReportConfig,
};

/// Windows in one query. A parameter may have 128 KiB, and a time takes 11 bytes.
pub const MAX_QUERY_WINDOWS: u32 = 10_000;
/// As many windows of an hour touch fewer steps of five minutes than one query may name.
const QUERY_WINDOWS: u32 = 700;
/// People in one query; a key takes up to 21 bytes.
pub const MAX_QUERY_PEOPLE: u32 = 5_000;

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
    /// How many traces may be jobs.
    #[command(flatten)]
    pub jobs: JobConfig,
    /// With what reads are written down.
    #[command(flatten)]
    pub audit: AuditConfig,
    /// With what identities are opened.
    #[command(flatten)]
    pub identities: IdentityConfig,
    /// With what reports are signed.
    #[command(flatten)]
    pub reports: ReportConfig,
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
    /// Traces that are worked on at the same time, jobs apart, of one account at most half as many; others wait for their turn,
    /// so that polls and scans that come in are not held up by many at once
    #[arg(long, env = "VENUECODE_MAX_TRACES", default_value_t = 4, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub max_traces: u32,
    /// Traces and files that are sent at the same time, each for ten minutes at most; further ones are refused
    #[arg(long, env = "VENUECODE_MAX_EXPORTS", default_value_t = 64, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub max_exports: u32,
    /// Visits of a person that one trace follows, oldest first
    #[arg(long, env = "VENUECODE_MAX_VISITS", default_value_t = 10_000, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_visits: u32,
    /// Encounters that one trace lists; those of a contact are listed all or not at all
    #[arg(long, env = "VENUECODE_MAX_ENCOUNTERS", default_value_t = 200_000, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub max_encounters: u32,
    /// Scans of others that one trace looks at, those beside its windows in the same steps of time as well; with more it is
    /// refused
    #[arg(long, env = "VENUECODE_MAX_CONTACT_SCANS", default_value_t = 2_000_000, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub max_contact_scans: u32,
    /// Steps of five minutes, a quarter of an hour, an hour or a day by which one query of a trace names what it looks for,
    /// the shortest of which there are not more; where there are more days than this it reads the venues whole
    #[arg(long, env = "VENUECODE_MAX_WINDOW_STEPS", default_value_t = MAX_QUERY_WINDOWS, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_QUERY_WINDOWS)))]
    pub max_window_steps: u32,
    /// Windows in one query of a trace; with more it asks several times, rather than by longer steps
    #[arg(long, env = "VENUECODE_MAX_QUERY_WINDOWS", default_value_t = QUERY_WINDOWS, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_QUERY_WINDOWS)))]
    pub max_query_windows: u32,
    /// People in one query of a trace; with more it asks several times
    #[arg(long, env = "VENUECODE_MAX_QUERY_PEOPLE", default_value_t = MAX_QUERY_PEOPLE, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_QUERY_PEOPLE)))]
    pub max_query_people: u32,
    /// People of one hop whom a trace follows to the next, those with the highest score
    #[arg(long, env = "VENUECODE_MAX_FOLLOWED", default_value_t = 2_000, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_followed: u32,
    /// Pairs of stays that one hop of a trace looks at
    #[arg(long, env = "VENUECODE_MAX_PAIRS", default_value_t = 20_000_000, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub max_pairs: u32,
    /// Venues that one trace ranks
    #[arg(long, env = "VENUECODE_MAX_TRACE_VENUES", default_value_t = 1_000, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_trace_venues: u32,
    /// Milliseconds within which the same question about footfall gets the same answer, whoever asks; 0 asks anew
    #[arg(long, env = "VENUECODE_SHARE_ANSWERS_MS", default_value_t = 100, value_name = "MS",
          value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub share_answers_ms: u32,
    /// Milliseconds after which polls for footfall show scans that came late: while somebody polls, the counts of all hours
    /// are looked at as often, those of the hour that runs every second; where looks take long, up to four times as late and
    /// five seconds more. 0 asks for each poll anew
    #[arg(long, env = "VENUECODE_LATE_SCANS_MS", default_value_t = 5_000, value_name = "MS",
          value_parser = clap::value_parser!(u32).range(0..=60_000))]
    pub late_scans_ms: u32,
    /// Smallest count that is shown to dashboards; they see counts rounded down to whole multiples of it. 1 shows all
    #[arg(long, env = "VENUECODE_SMALLEST_GROUP", default_value_t = 10, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub smallest_group: u32,
    /// Milliseconds between two looks at ClickHouse for all who listen to live counts
    #[arg(long, env = "VENUECODE_LIVE_INTERVAL_MS", default_value_t = 250, value_name = "MS",
          value_parser = clap::value_parser!(u32).range(10..=60_000))]
    pub live_interval_ms: u32,
    /// Live streams at the same time; further ones are refused
    #[arg(long, env = "VENUECODE_MAX_LIVE_STREAMS", default_value_t = 1_000, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub max_live_streams: u32,
    /// Live streams at the same time with the tokens of one holder
    #[arg(long, env = "VENUECODE_MAX_LIVE_STREAMS_EACH", default_value_t = 4, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub max_live_streams_each: u32,
}
