//! The whole system on free ports, as `venuecode up` runs it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use benches::query::QueryApi;
use benches::tokens::{TokenConfig, Tokens};
use rustix::process::{Pid, Signal, kill_process};
use schemas::KeyRing;
use service::ports;

use crate::support::{command, http_get};

/// Three brokers take the first and its two successors.
const KAFKA_PORTS: u16 = 3;

/// Five ports that are this test's, as `--flag value` pairs of `venuecode up`.
pub struct Ports([String; 5]);

impl Ports {
    pub fn claim() -> anyhow::Result<Self> {
        let [ingest, processor, query, clickhouse] = ports::claim::<4>()?;
        let kafka = ports::claim_row(KAFKA_PORTS)?;
        Ok(Self([ingest, processor, query, kafka, clickhouse].map(|port| port.to_string())))
    }

    /// Address of the service with this number: 0 ingest, 1 processor, 2 query-api.
    pub fn address(&self, number: usize) -> String {
        format!("127.0.0.1:{}", self.0[number])
    }

    pub fn service_is_ready(&self, number: usize) -> bool {
        http_get(&self.address(number), "/readyz").is_ok_and(|answer| answer.contains(" 200 "))
    }
}

/// Starts `venuecode up` and waits until it says that all is ready.
pub fn start(data: &Path, ports: &Ports) -> anyhow::Result<Child> {
    start_with(data, ports, &[], &[])
}

fn start_with(data: &Path, ports: &Ports, flags: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<Child> {
    let mut up = command()
        .args(["up", "--listen-ingest", &ports.address(0), "--listen-processor", &ports.address(1)])
        .args(["--listen-query", &ports.address(2), "--kafka-port", &ports.0[3], "--clickhouse-port", &ports.0[4]])
        .arg("--data")
        .arg(data)
        .args(flags)
        .envs(environment.iter().copied())
        // It ends with the test, however that ends.
        .env("VENUECODE_LIFELINE", "stdin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = up.stdout.take().context("no standard output")?;
    for line in BufReader::new(stdout).lines() {
        if line?.starts_with("ready") {
            return Ok(up);
        }
    }
    bail!("venuecode up ended: {}", up.wait()?)
}

/// A running system in a directory of its own; ends with the test.
pub struct Stack {
    up: Child,
    pub ports: Ports,
    pub data: tempfile::TempDir,
}

impl Stack {
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with(&[])
    }

    /// Starts it with further flags of `venuecode up`.
    pub fn start_with(flags: &[&str]) -> anyhow::Result<Self> {
        Self::start_with_environment(flags, &[])
    }

    /// Starts it with further flags and environment variables.
    pub fn start_with_environment(flags: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<Self> {
        let (data, ports) = (tempfile::tempdir()?, Ports::claim()?);
        Ok(Self { up: start_with(data.path(), &ports, flags, environment)?, ports, data })
    }

    /// The process of `venuecode up`.
    pub fn pid(&self) -> anyhow::Result<Pid> {
        Pid::from_raw(i32::try_from(self.up.id())?).context("no process id")
    }

    /// Where the first broker is.
    pub fn kafka(&self) -> String {
        format!("127.0.0.1:{}", self.ports.0[3])
    }

    /// Where ClickHouse is.
    pub fn clickhouse(&self) -> String {
        format!("127.0.0.1:{}", self.ports.0[4])
    }

    /// Stops everything in order; its data stays until the test ends.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.interrupt();
        anyhow::ensure!(self.up.wait()?.success(), "venuecode up did not end well");
        Ok(())
    }

    /// Stops everything in order and starts it again on the same data.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.stop()?;
        self.up = start(self.data.path(), &self.ports)?;
        Ok(())
    }

    /// The same with further flags and environment variables.
    pub fn restart_with(&mut self, flags: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<()> {
        self.stop()?;
        self.up = start_with(self.data.path(), &self.ports, flags, environment)?;
        Ok(())
    }

    pub fn gateway(&self) -> String {
        format!("http://{}", self.ports.address(0))
    }

    pub fn query_api(&self) -> anyhow::Result<QueryApi> {
        let query = format!("http://{}", self.ports.address(2)).parse()?;
        let tokens = TokenConfig { token_key_file: Some(self.token_key()), token: None };
        let config = benches::query::QueryConfig { query };
        QueryApi::try_new(&config, &self.gateway().parse()?, Tokens::try_new(&tokens)?)
    }

    /// File with the key that this system's tokens are signed with.
    pub fn token_key(&self) -> PathBuf {
        self.data.path().join("secrets/token.key")
    }

    /// The keys under which this system knows people.
    pub fn person_keys(&self) -> anyhow::Result<KeyRing> {
        service::secret::read_key_ring(&self.data.path().join("secrets/person.keys"))
    }

    /// Runs a subcommand of `venuecode` in the data directory and fails with what it printed.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let key = self.token_key();
        let output =
            command().current_dir(self.data.path()).env("VENUECODE_TOKEN_KEY_FILE", key).args(arguments).output()?;
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.success() { Ok(text) } else { bail!("venuecode {arguments:?}: {}\n{text}", output.status) }
    }

    /// Waits until `expected` scans are stored, then makes sure that no further one follows.
    pub async fn wait_until_stored(&self, expected: u64) -> anyhow::Result<()> {
        let api = self.query_api()?;
        let started = Instant::now();
        let mut stored = 0;
        while started.elapsed() < Duration::from_secs(180) {
            stored = api.stats().await.map_or(stored, |stats| stats.scans);
            if stored >= expected && self.lag() == Some(0) {
                // Two batches' time: whatever is still on its way would be stored by then.
                tokio::time::sleep(Duration::from_secs(2)).await;
                stored = api.stats().await?.scans;
                anyhow::ensure!(stored == expected, "stored {stored} scans, expected {expected}");
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        bail!("stored {stored} scans, expected {expected}; lag {:?}", self.lag())
    }

    fn interrupt(&self) {
        if let Some(pid) = i32::try_from(self.up.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::INT);
        }
    }

    /// Messages that the processor has not dealt with, over all partitions; `None` while it does not say.
    fn lag(&self) -> Option<u64> {
        let metrics = http_get(&self.ports.address(1), "/metrics").ok()?;
        let values = metrics.lines().filter(|line| line.starts_with("processor_lag_messages{"));
        let lags: Option<Vec<_>> = values.map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).collect();
        lags.filter(|lags| !lags.is_empty()).map(|lags| lags.iter().sum::<f64>() as u64)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.interrupt();
        let _ = self.up.wait();
    }
}
