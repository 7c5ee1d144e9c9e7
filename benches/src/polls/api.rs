//! The query API as a process of its own, for as long as it is asked.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use reqwest::Url;
use reqwest::header::AUTHORIZATION;
use schemas::access::Role;
use service::ClickHouseConfig;
use tokio::process::{Child, Command};

use crate::tokens::Tokens;

const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// A running query API that ends with this value.
#[derive(Debug)]
pub(super) struct Api {
    base: Url,
    http: reqwest::Client,
    tokens: Tokens,
    _process: Child,
}

impl Api {
    /// Starts it as the user that can only read, without sharing answers. Whose tokens it takes is in the environment, as
    /// `venuecode exec` sets it.
    pub(super) async fn start(
        binary: &Path,
        clickhouse: &ClickHouseConfig,
        tokens: &Tokens,
        directory: &Path,
    ) -> anyhow::Result<Self> {
        let reader = |name: &str| std::env::var(name).with_context(|| format!("{name}: run `venuecode exec`"));
        let [port] = service::ports::claim().context("no free port")?;
        let keys = directory.join("keys");
        fs::write(&keys, format!("1:{}\n", "5a".repeat(32)))?;
        let log = File::options().create(true).append(true).open(directory.join("query-api.log"))?;
        let mut command = Command::new(binary);
        command.args([
            "service",
            "query-api",
            "--share-answers-ms",
            "0",
            "--late-scans-ms",
            "0",
            "--listen",
            &format!("127.0.0.1:{port}"),
        ]);
        command.args(["--clickhouse", &clickhouse.url, "--database", &clickhouse.database]).arg("--code-keys-file");
        command.arg(&keys).env("VENUECODE_CLICKHOUSE_USER", reader("VENUECODE_QUERY_USER")?);
        command.env("VENUECODE_CLICKHOUSE_PASSWORD", reader("VENUECODE_QUERY_PASSWORD")?);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        let process = command.spawn().with_context(|| format!("cannot start {}", binary.display()))?;
        let base = Url::parse(&format!("http://127.0.0.1:{port}/"))?;
        let api = Self { base, http: crate::gateway::http_client()?, tokens: tokens.clone(), _process: process };
        api.until_ready().await?;
        Ok(api)
    }

    async fn until_ready(&self) -> anyhow::Result<()> {
        let (path, began) = (self.base.join("readyz")?, Instant::now());
        while !self.http.get(path.clone()).send().await.is_ok_and(|answer| answer.status().is_success()) {
            ensure!(began.elapsed() < PATIENCE, "the query API is not ready after {} s", PATIENCE.as_secs());
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Asks and reads the whole answer.
    pub(super) async fn ask(&self, path: &str) -> anyhow::Result<()> {
        let request = self.http.get(self.base.join(path)?).header(AUTHORIZATION, self.tokens.of(Role::Regulator)?);
        request.send().await?.error_for_status()?.bytes().await?;
        Ok(())
    }
}
