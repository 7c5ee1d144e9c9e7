//! `venuecode exec`: runs a command against fresh engines that are gone when it ends.
//!
//! This is how every test runs, so the command's exit status passes through: 128+N if signal N ended it, 125 if the
//! engines failed, 126 and 127 if the command cannot be run or is not there.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use service::ports;
use tempfile::TempDir;
use tokio::process::Command;

use crate::data_dir::{DataDir, remove_abandoned};
use crate::engines::clickhouse::{ClickHouseOptions, Credentials};
use crate::engines::{ClickHouseAccess, EnginePlan, Engines, KafkaArgs, libchdb};
use crate::fonts;
use crate::secrets::Secrets;
use crate::signals::Signals;

/// Exit status when the engines, not the command, failed.
pub const ENGINES_FAILED: u8 = 125;
const CANNOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

const PREFIX: &str = "venuecode-exec-";
const ABANDONED_AFTER: Duration = Duration::from_secs(60);
/// The data is thrown away, so the engines need not take long over their end.
const THROWAWAY_GRACE: Duration = Duration::from_secs(6);
const KEPT_GRACE: Duration = Duration::from_secs(30);
/// Who does not claim ports as this does may take one before the engine listens on it.
const PORT_TRIES: u32 = 3;

/// Flags of `venuecode exec`.
#[derive(Debug, Args)]
pub struct ExecArgs {
    /// Keep the engines' data in this directory; a temporary one otherwise.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Leave the temporary directory in place afterwards and print where it is.
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    kafka: KafkaArgs,
    /// Use a ClickHouse that runs elsewhere; its user and password come from VENUECODE_CLICKHOUSE_USER and
    /// VENUECODE_CLICKHOUSE_PASSWORD, those of the query service, which reads and appends to `audit_log`, from
    /// VENUECODE_QUERY_USER and VENUECODE_QUERY_PASSWORD.
    #[arg(long, value_name = "URL")]
    clickhouse: Option<String>,
    /// Keep ClickHouse's system.query_log.
    #[arg(long, env = "VENUECODE_QUERY_LOG", default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    query_log: bool,
    /// The command and its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Runs the command and gives its exit status.
///
/// # Errors
/// The engines did not start; the caller exits with [`ENGINES_FAILED`].
pub async fn run(args: ExecArgs) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    let scratch = Scratch::new(args.data.clone(), args.keep)?;
    let data = DataDir::open(&scratch.path)?;
    let secrets = Secrets::load_or_generate(&data)?;
    let engines = match start_engines(&args, &data, &secrets, &mut signals).await? {
        Ok(engines) => engines,
        Err(signal) => return Ok(signalled(signal.as_raw())),
    };
    let code = run_command(&args.command, &engines, &secrets, &mut signals).await;
    engines.stop().await;
    Ok(code)
}

/// Starts the engines, unless a signal comes first.
async fn start_engines(
    args: &ExecArgs,
    data: &DataDir,
    secrets: &Secrets,
    signals: &mut Signals,
) -> anyhow::Result<Result<Engines, Signal>> {
    let engine = if args.clickhouse.is_none() { Some(libchdb::locate()?) } else { None };
    let throwaway = !args.keep && args.data.is_none();
    let mut tries = 0;
    loop {
        let mut brokers = ports::claim_many(args.kafka.broker_ports() + 1).context("no free port")?;
        let clickhouse_port = brokers.pop().context("no free port")?;
        let plan = EnginePlan {
            kafka: args.kafka.plan(&brokers)?,
            external_clickhouse: args.clickhouse.as_deref().map(external_clickhouse),
            clickhouse_port,
            clickhouse: ClickHouseOptions { engine: engine.clone(), query_log: args.query_log, is_for_tests: true },
            grace: if throwaway { THROWAWAY_GRACE } else { KEPT_GRACE },
        };
        let engines = Engines::launch(&plan, data, secrets).await?;
        let ready = tokio::select! {
            ready = engines.until_ready() => ready,
            signal = signals.recv() => {
                engines.stop().await;
                return Ok(Err(signal));
            }
        };
        tries += 1;
        match ready {
            Ok(()) => return Ok(Ok(engines)),
            Err(error) => {
                engines.stop().await;
                if tries == PORT_TRIES {
                    return Err(error);
                }
            }
        }
    }
}

/// Access to a ClickHouse that runs elsewhere, with the users that the environment names.
#[must_use]
pub fn external_clickhouse(url: &str) -> ClickHouseAccess {
    let variable = |name: &str| std::env::var(name).ok();
    let admin = Credentials {
        user: variable("VENUECODE_CLICKHOUSE_USER").unwrap_or_else(|| "default".to_owned()),
        password: variable("VENUECODE_CLICKHOUSE_PASSWORD").unwrap_or_default(),
    };
    let query = variable("VENUECODE_QUERY_USER").map_or_else(
        || admin.clone(),
        |user| Credentials { user, password: variable("VENUECODE_QUERY_PASSWORD").unwrap_or_default() },
    );
    ClickHouseAccess { url: url.trim_end_matches('/').to_owned(), processor: admin.clone(), admin, query }
}

async fn run_command(command: &[OsString], engines: &Engines, secrets: &Secrets, signals: &mut Signals) -> ExitCode {
    let Some((program, arguments)) = command.split_first() else {
        return ExitCode::from(NOT_FOUND);
    };
    let access = &engines.clickhouse;
    let mut process = Command::new(program);
    if let Ok(folder) = fonts::folder() {
        process.env(fonts::FONTS_VARIABLE, folder);
    }
    let spawned = process
        .args(arguments)
        .envs(engines.kafka_environment())
        .env("VENUECODE_CLICKHOUSE_URL", &access.url)
        .env("VENUECODE_CLICKHOUSE_USER", &access.admin.user)
        .env("VENUECODE_CLICKHOUSE_PASSWORD", &access.admin.password)
        .env("VENUECODE_TOKEN_KEYS_FILE", &secrets.token_keys_file)
        .env("VENUECODE_TOKEN_KEY_FILE", &secrets.token_key_file)
        .env("VENUECODE_QUERY_USER", &access.query.user)
        .env("VENUECODE_QUERY_PASSWORD", &access.query.password)
        .spawn();
    let mut process = match spawned {
        Ok(process) => process,
        Err(error) => {
            eprintln!("venuecode: cannot run {}: {error}", program.to_string_lossy());
            let missing = error.kind() == io::ErrorKind::NotFound;
            return ExitCode::from(if missing { NOT_FOUND } else { CANNOT_RUN });
        }
    };
    let pid = process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    loop {
        tokio::select! {
            status = process.wait() => return match status {
                Ok(status) => exit_code(status),
                Err(error) => {
                    eprintln!("venuecode: lost {}: {error}", program.to_string_lossy());
                    ExitCode::from(CANNOT_RUN)
                }
            },
            signal = signals.recv() => {
                // The terminal has sent its Ctrl-C to the command itself already.
                let sent_by_terminal = signal == Signal::INT && io::stdin().is_terminal();
                if let (Some(pid), false) = (pid, sent_by_terminal) {
                    let _ = kill_process(pid, signal);
                }
            }
        }
    }
}

fn exit_code(status: ExitStatus) -> ExitCode {
    match (status.code(), status.signal()) {
        (Some(code), _) => ExitCode::from(u8::try_from(code & 0xff).unwrap_or(u8::MAX)),
        (None, Some(signal)) => signalled(signal),
        (None, None) => ExitCode::FAILURE,
    }
}

fn signalled(signal: i32) -> ExitCode {
    ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX))
}

/// The directory of one run; a temporary one is removed at the end.
struct Scratch {
    path: PathBuf,
    _temporary: Option<TempDir>,
}

impl Scratch {
    fn new(data: Option<PathBuf>, keep: bool) -> anyhow::Result<Self> {
        if let Some(path) = data {
            return Ok(Self { path, _temporary: None });
        }
        let parent = std::env::temp_dir();
        remove_abandoned(&parent, PREFIX, ABANDONED_AFTER);
        let mut temporary = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir()
            .with_context(|| format!("cannot create a directory in {}", parent.display()))?;
        if keep {
            temporary.disable_cleanup(true);
            eprintln!("venuecode: the data stays in {}", temporary.path().display());
        }
        Ok(Self { path: temporary.path().to_owned(), _temporary: Some(temporary) })
    }
}
