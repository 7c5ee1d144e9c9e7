//! The command line: what there is, how it is explained, and which runtime each command gets.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use benches::import::ImportArgs;
use benches::import::venues::ImportVenuesArgs;
use benches::simulate::SimulateArgs;
use clap::{Parser, Subcommand};
use service::telemetry::TelemetryConfig;
use tokio::runtime::{Builder, Runtime};

use crate::audit::{self, AuditCommand};
use crate::dead_letters::{self, DeadLettersCommand};
use crate::demo::{self, DemoCommand};
use crate::engines::apache_kafka::node::{self, NodeArgs};
use crate::engines::{kafka, libchdb};
use crate::exec::{self, ExecArgs};
use crate::identities::{self, IdentitiesCommand};
use crate::retention::{self, RetentionCommand};
use crate::services::{self, Service};
use crate::token::{self, TokenCommand};
use crate::up::{self, UpArgs};

const EXAMPLES: &str = "\
Examples:
  Fetch the ClickHouse engine once (130 MB), then run everything on this machine:
    deploy/engines/fetch.sh
    venuecode up --data ./data

  See it work, from scan to contact trace:
    venuecode demo

  Run the tests against fresh engines:
    venuecode exec -- cargo test --release

  Run the services here, the engines elsewhere:
    venuecode up --data ./data --kafka kafka-1:9092 --clickhouse http://clickhouse-1:8123";

const UP_EXAMPLES: &str = "\
Everything is kept in the data directory: what the engines store, generated passwords and keys (secrets/), logs
(logs/NAME.log) and process ids (run/NAME.pid). Ctrl-C stops everything in order; what ends by itself is restarted.

Examples:
  venuecode up --data ./data
  venuecode up --data /var/lib/venuecode --city kaifeng --listen-ingest 0.0.0.0:8080
  venuecode up --data ./second --listen-ingest 127.0.0.1:9080 --listen-processor 127.0.0.1:9081 \\
      --listen-query 127.0.0.1:9082 --kafka-port 29092 --clickhouse-port 28123
  venuecode up --data ./replicated --kafka-engine apache --kafka-nodes 3   # after deploy/kafka/fetch.sh";

const EXEC_EXAMPLES: &str = "\
The command gets VENUECODE_KAFKA and what that Kafka can do (VENUECODE_KAFKA_IDEMPOTENCE,
VENUECODE_KAFKA_COMPACTION_LAG, VENUECODE_REPLICATION), VENUECODE_CLICKHOUSE_URL, VENUECODE_CLICKHOUSE_USER,
VENUECODE_CLICKHOUSE_PASSWORD, for a user that may only read databases called test_…, and append to them,
VENUECODE_QUERY_USER and VENUECODE_QUERY_PASSWORD, and for tokens VENUECODE_TOKEN_KEY_FILE (to issue them) and VENUECODE_TOKEN_KEYS_FILE (for services).
VENUECODE_FONTS, the folder of the posters' fonts.
Its exit status is passed on (128+N after signal N); 125 means that the engines did not start.

Examples:
  venuecode exec -- cargo test --release
  venuecode exec --keep -- sh -c 'curl -s \"$VENUECODE_CLICKHOUSE_URL/ping\"'
  venuecode exec --kafka-engine apache --kafka-nodes 3 -- cargo test --release -p processor
  venuecode exec --kafka 127.0.0.1:9092 -- cargo test --release -p processor";

const IMPORT_EXAMPLES: &str = "\
The venues must be in the directory first (venuecode import-venues). An import that was interrupted goes on from where
it was; a row sent twice is stored once.

Examples:
  export VENUECODE_TOKEN_KEY_FILE=data/secrets/token.key   # or VENUECODE_TOKEN with a token of role device
  venuecode import scans.csv.gz --person-column id --venue-column venue --time-column at
  venuecode import checkins.csv --person-column user --time-column minute --time-unit minutes \\
      --time-origin 2026-01-01T00:00:00+08:00";

/// VenueCode in one command: an embedded Kafka, an embedded ClickHouse and the three services.
#[derive(Debug, Parser)]
#[command(name = "venuecode", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run engines and services in the foreground.
    #[command(after_help = UP_EXAMPLES)]
    Up(UpArgs),
    /// Run a command against fresh engines that are gone when it ends.
    #[command(after_help = EXEC_EXAMPLES)]
    Exec(ExecArgs),
    /// Start everything, simulate a small city, and show an admission answer, a contact trace and footfall.
    Demo(DemoCommand),
    /// Import scans from a CSV file through the gateway.
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(ImportArgs),
    /// Load the venue directory from a CSV file.
    ImportVenues(ImportVenuesArgs),
    /// Send the scans of a simulated city through the gateway.
    Simulate(SimulateArgs),
    /// Look at what could not be processed, correct it, and send it back.
    #[command(after_help = dead_letters::EXAMPLES)]
    DeadLetters {
        #[command(subcommand)]
        command: DeadLettersCommand,
    },
    /// Hold the log of who read whose movements against itself and against Kafka.
    #[command(after_help = audit::EXAMPLES)]
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Find what is older than the city keeps it.
    #[command(after_help = retention::EXAMPLES)]
    Retention {
        #[command(subcommand)]
        command: RetentionCommand,
    },
    /// Issue the tokens that let somebody in, and make and retire the keys that they are signed with.
    #[command(after_help = token::EXAMPLES)]
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Look after the encrypted records of who people are.
    #[command(after_help = identities::EXAMPLES)]
    Identities {
        #[command(subcommand)]
        command: IdentitiesCommand,
    },
    /// Run one service against engines that run already.
    Service {
        #[command(flatten)]
        logs: TelemetryConfig,
        #[command(subcommand)]
        service: Service,
    },
    /// Run one engine until standard input closes; `up` and `exec` do this for you.
    #[command(hide = true)]
    Engine {
        #[command(subcommand)]
        engine: Engine,
    },
}

#[derive(Debug, Subcommand)]
enum Engine {
    /// ClickHouse, with a configuration file.
    Clickhouse {
        #[arg(long)]
        config: PathBuf,
    },
    /// The Kafka broker.
    Kafka {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        data: PathBuf,
    },
    /// One node of Apache Kafka.
    ApacheKafka(NodeArgs),
}

/// Parses the command line, runs the command, and says in one line what went wrong.
#[must_use]
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    let failure =
        if matches!(command, Command::Exec(_)) { ExitCode::from(exec::ENGINES_FAILED) } else { ExitCode::FAILURE };
    dispatch(command).unwrap_or_else(|error| {
        eprintln!("venuecode: {error:#}");
        failure
    })
}

fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Exec(args) => return single_threaded()?.block_on(exec::run(args)),
        Command::Up(args) => single_threaded()?.block_on(up::run(args))?,
        Command::Demo(command) => single_threaded()?.block_on(demo::run(command))?,
        Command::Import(args) => {
            multi_threaded()?.block_on(benches::import::run(args))?;
        }
        Command::ImportVenues(args) => {
            multi_threaded()?.block_on(benches::import::venues::run(args))?;
        }
        Command::Simulate(args) => multi_threaded()?.block_on(benches::simulate::run(args))?,
        Command::Identities { command } => multi_threaded()?.block_on(identities::run(command))?,
        Command::Audit { command } => multi_threaded()?.block_on(audit::run(command))?,
        Command::Retention { command } => multi_threaded()?.block_on(retention::run(command))?,
        Command::DeadLetters { command } => multi_threaded()?.block_on(dead_letters::run(command))?,
        Command::Token { command } => token::run(command)?,
        Command::Service { logs, service } => {
            multi_threaded()?.block_on(services::run(service, &logs))?;
        }
        Command::Engine { engine: Engine::Clickhouse { config } } => libchdb::run(&config)?,
        Command::Engine { engine: Engine::ApacheKafka(args) } => node::run(&args)?,
        Command::Engine { engine: Engine::Kafka { listen, data } } => {
            log_warnings();
            multi_threaded()?.block_on(kafka::run(listen, data))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Parents run on the main thread alone: Linux ties a child's death signal to the thread that started it.
fn single_threaded() -> anyhow::Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("cannot start the runtime")
}

fn multi_threaded() -> anyhow::Result<Runtime> {
    Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")
}

/// The broker reports through `tracing`; the parent has directed standard error to its log file.
fn log_warnings() {
    tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::WARN).with_ansi(false).init();
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
