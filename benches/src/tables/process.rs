//! The gateway as a process of its own, started, watched and stopped.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use reqwest::header::AUTHORIZATION;
use rustix::process::{Pid, Signal, kill_process};
use schemas::access::Role;
use schemas::{PersonKey, VenueId};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::TablesArgs;
use crate::tokens::Tokens;

const POLL: Duration = Duration::from_millis(20);
const REQUEST: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(120);

/// A running gateway.
pub struct Gateway {
    base: String,
    child: Child,
    http: reqwest::Client,
    tokens: Tokens,
    started: Instant,
}

impl Gateway {
    /// Starts it with its data in a directory, with or without snapshots there. Whose tokens it takes is in the
    /// environment, as `venuecode exec` sets it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(args: &TablesArgs, tokens: &Tokens, directory: &Path, snapshot: bool) -> anyhow::Result<Self> {
        let (binary, kafka) = (&args.venuecode, &args.kafka);
        let [port] = service::ports::claim().context("no free port")?;
        let keys = directory.join("keys");
        fs::write(&keys, format!("1:{}\n", "5a".repeat(32)))?;
        let log = File::options().create(true).append(true).open(directory.join("ingest.log"))?;
        let mut command = Command::new(binary);
        command.args(["service", "ingest", "--listen", &format!("127.0.0.1:{port}"), "--kafka", &kafka.brokers]);
        command.args(["--topic-prefix", &kafka.topic_prefix, "--partitions", &kafka.partitions.to_string()]);
        for name in ["--code-keys-file", "--person-keys-file", "--identity-keys-file"] {
            command.arg(name).arg(&keys);
        }
        if snapshot {
            command.arg("--tables").arg(directory.join("tables"));
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        // Filling topics leaves connections unattended for longer than the gateway keeps them.
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).timeout(REQUEST).build()?;
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {}", binary.display()))?;
        Ok(Self { base: format!("http://127.0.0.1:{port}"), child, http, tokens: tokens.clone(), started })
    }

    /// Waits until it says that it is ready; how long that took from its start.
    ///
    /// # Errors
    /// When it takes longer than `patience`.
    pub async fn until_ready(&self, patience: Duration) -> anyhow::Result<Duration> {
        self.until("ready", patience, async || {
            let answer = self.http.get(format!("{}/readyz", self.base)).send().await;
            Ok(answer.is_ok_and(|answer| answer.status().is_success()))
        })
        .await?;
        Ok(self.started.elapsed())
    }

    /// Waits until a table has so many rows.
    ///
    /// # Errors
    /// When it takes longer than `patience`.
    pub async fn until_rows(&self, table: &str, rows: u32, patience: Duration) -> anyhow::Result<()> {
        let line = format!("ingest_table_rows{{table=\"{table}\"}} {rows}\n");
        self.until("filled", patience, async || Ok(self.metrics().await?.contains(&line))).await
    }

    /// Waits until a person's test is known.
    ///
    /// # Errors
    /// When it takes longer than `patience`.
    pub async fn until_tested(&self, person: PersonKey, patience: Duration) -> anyhow::Result<()> {
        self.until("told of the last test", patience, async || Ok(self.scan(1, person).await?["last_test"].is_object()))
            .await
    }

    async fn until(
        &self,
        what: &str,
        patience: Duration,
        so: impl AsyncFn() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let began = Instant::now();
        while !so().await? {
            ensure!(began.elapsed() < patience, "the gateway is not {what} after {} s", patience.as_secs());
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Scans a venue's code by its number; the answer.
    ///
    /// # Errors
    /// When it is none.
    pub async fn scan(&self, venue: VenueId, person: PersonKey) -> anyhow::Result<Value> {
        let body = json!({"venue": venue, "person": person});
        let request = self.http.post(format!("{}/v1/scans", self.base)).json(&body);
        let answer = request.header(AUTHORIZATION, self.tokens.of(Role::Device)?).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// Whether it started from its snapshot.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn used_snapshot(&self) -> anyhow::Result<bool> {
        Ok(self.metrics().await?.contains("ingest_snapshot_used 1\n"))
    }

    async fn metrics(&self) -> anyhow::Result<String> {
        Ok(self.http.get(format!("{}/metrics", self.base)).send().await?.text().await?)
    }

    /// Its resident memory.
    ///
    /// # Errors
    /// When it has ended.
    pub fn rss_bytes(&self) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/statm", self.child.id().context("the gateway has ended")?);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let pages: u64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).context("statm has no pages")?;
        Ok(pages * rustix::param::page_size() as u64)
    }

    /// Asks it to stop and waits.
    ///
    /// # Errors
    /// When it does not end well.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(pid.context("the gateway has ended by itself")?, Signal::TERM)
            .context("cannot stop the gateway")?;
        match tokio::time::timeout(STOP, self.child.wait()).await {
            Ok(status) => ensure!(status?.success(), "the gateway did not end well"),
            Err(_) => bail!("the gateway does not stop"),
        }
        Ok(())
    }
}
