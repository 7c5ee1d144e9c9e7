//! Starts the whole of VenueCode with data of its own, and stops it.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use reqwest::Url;
use rustix::process::{Pid, Signal, kill_process};
use service::{ClickHouseConfig, secret::Secret};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::tokens::TokenConfig;

const READY: Duration = Duration::from_secs(120);
const STOP: Duration = Duration::from_secs(90);
/// The variable that makes `venuecode up` and the services end with their standard input, so that they outlive nobody who
/// started them with a pipe there.
pub(crate) const LIFELINE: (&str, &str) = ("VENUECODE_LIFELINE", "stdin");
/// So much of the log is shown when it does not start.
const LOG_TAIL_BYTES: usize = 2_000;

/// A running `venuecode up`.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) gateway: Url,
    pub(crate) query: Url,
    /// Its data directory.
    pub(crate) data: PathBuf,
    pub(crate) pids: PathBuf,
    pub(crate) tokens: TokenConfig,
    /// The engine, as its admin.
    pub(crate) clickhouse: ClickHouseConfig,
    child: Child,
    log: PathBuf,
    temporary: Option<TempDir>,
}

impl Stack {
    /// Starts it in a new directory, with further flags and variables, and waits until it is ready.
    pub(crate) async fn start(
        binary: &Path,
        parent: Option<&Path>,
        flags: &[&str],
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let directory = parent.map_or_else(tempfile::tempdir, tempfile::tempdir_in).context("no place for the data")?;
        let mut stack = Self::start_in(binary, directory.path(), flags, environment).await?;
        stack.temporary = Some(directory);
        Ok(stack)
    }

    /// The same on what is in `DIRECTORY/data`, which stays.
    pub(crate) async fn start_in(
        binary: &Path,
        directory: &Path,
        flags: &[&str],
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let data = directory.join("data");
        let [ingest, processor, query, kafka, clickhouse] = service::ports::claim::<5>().context("no free port")?;
        let address = |port: u16| format!("127.0.0.1:{port}");
        let log_path = directory.join("up.log");
        let log = File::create(&log_path)?;
        let mut command = Command::new(binary);
        command.arg("up").arg("--data").arg(&data);
        command.args(["--listen-ingest", &address(ingest), "--listen-processor", &address(processor)]);
        command.args(["--listen-query", &address(query)]);
        command.args(["--kafka-port", &kafka.to_string(), "--clickhouse-port", &clickhouse.to_string()]);
        command.args(flags);
        for name in variables_of_others() {
            command.env_remove(name);
        }
        command.envs(environment.iter().copied());
        command.env(LIFELINE.0, LIFELINE.1).stdin(Stdio::piped());
        command.stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        let child = command.spawn().with_context(|| format!("cannot start {}", binary.display()))?;
        let url = |port| Url::parse(&format!("http://{}", address(port)));
        let (gateway, query) = (url(ingest)?, url(query)?);
        let tokens = TokenConfig { token_key_file: Some(data.join("secrets/token.key")), token: None };
        let clickhouse = ClickHouseConfig {
            url: format!("http://{}", address(clickhouse)),
            user: "admin".to_owned(),
            password: Secret::default(),
            database: "venuecode".to_owned(),
        };
        let (pids, temporary) = (data.join("run"), None);
        let mut stack =
            Self { gateway, query, data: data.clone(), pids, tokens, clickhouse, child, log: log_path, temporary };
        let processor = url(processor)?;
        for service in [stack.gateway.clone(), processor, stack.query.clone()] {
            stack.until_ready(&service).await?;
        }
        let password = std::fs::read_to_string(data.join("secrets/clickhouse-admin")).context("no password")?;
        stack.clickhouse.password = password.trim().parse()?;
        Ok(stack)
    }

    /// Asks it to stop, as a service manager does, and waits.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(pid.context("venuecode has ended by itself")?, Signal::TERM).context("cannot stop venuecode")?;
        match tokio::time::timeout(STOP, self.child.wait()).await {
            Ok(status) => {
                let status = status?;
                ensure!(status.success(), "venuecode stopped with {status}: {}", self.log_tail());
                Ok(())
            }
            Err(_) => bail!("venuecode does not stop"),
        }
    }

    async fn until_ready(&mut self, service: &Url) -> anyhow::Result<()> {
        let http = crate::gateway::http_client()?;
        let deadline = Instant::now() + READY;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("venuecode ended with {status}: {}", self.log_tail());
            }
            let answer = http.get(service.join("readyz")?).send().await;
            if answer.is_ok_and(|response| response.status().is_success()) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{service} is not ready: {}", self.log_tail());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let tail = &log[log.len().saturating_sub(LOG_TAIL_BYTES)..];
        format!("its log ends with\n{}", String::from_utf8_lossy(tail))
    }
}

/// What is set here for another installation, such as by a surrounding `venuecode exec`, and not for one that is started
/// by itself: all but where its engines are and which.
pub fn variables_of_others() -> impl Iterator<Item = OsString> {
    const KEPT: [&str; 4] = ["VENUECODE_LIBCHDB", "VENUECODE_CACHE", "VENUECODE_KAFKA_JARS", "VENUECODE_KAFKA_ENGINE"];
    let is_other = |name: &OsString| {
        let name = name.to_string_lossy();
        name.starts_with("VENUECODE_") && !KEPT.contains(&name.as_ref())
    };
    std::env::vars_os().map(|(name, _)| name).filter(is_other)
}
