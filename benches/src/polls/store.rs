//! The tables that polls are answered from: filled, and asked what each poll took.

use std::time::Duration;

use anyhow::{Context, bail};
use service::ClickHouseConfig;

use crate::terminal::Progress;

/// Scans of one statement.
const STATEMENT: u64 = 1_000_000;
const MERGED_WITHIN: Duration = Duration::from_secs(3_600);
const POLL: Duration = Duration::from_millis(500);

/// A ClickHouse with tables.
#[derive(Debug)]
pub(crate) struct Store {
    clickhouse: ClickHouseConfig,
    reader: String,
}

/// What questions took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// Of CPU.
    pub(crate) micros: u64,
}

impl Store {
    /// One whose user that can only read is in the environment, as `venuecode exec` sets it.
    pub(super) fn of_reader(clickhouse: &ClickHouseConfig) -> anyhow::Result<Self> {
        let reader = std::env::var("VENUECODE_QUERY_USER").context("VENUECODE_QUERY_USER: run `venuecode exec`")?;
        Ok(Self::new(clickhouse.clone(), reader))
    }

    /// One whose questions come from this user.
    pub(crate) const fn new(clickhouse: ClickHouseConfig, reader: String) -> Self {
        Self { clickhouse, reader }
    }

    /// Stores scans until there are so many, and waits for the merges that they begin.
    pub(super) async fn fill(&self, stored: u64, scans: u64, since: u32) -> anyhow::Result<()> {
        let mut progress = Progress::start("scans", scans);
        let client = self.clickhouse.insert_client();
        for first in (stored..scans).step_by(STATEMENT as usize) {
            let count = STATEMENT.min(scans - first);
            let insert = client.query(include_str!("fill.sql")).param("first", first).param("count", count);
            insert.param("since", since).execute().await.context("cannot store scans")?;
            progress.advance_to(first + count, first + count);
        }
        progress.finish();
        self.until_merged().await
    }

    /// Waits until no merge is under way.
    pub(crate) async fn until_merged(&self) -> anyhow::Result<()> {
        let began = tokio::time::Instant::now();
        while self.number("SELECT count() FROM system.merges").await? > 0 {
            if began.elapsed() > MERGED_WITHIN {
                bail!("still merging after {} s", MERGED_WITHIN.as_secs());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// The time by ClickHouse's clock.
    pub(crate) async fn now(&self) -> anyhow::Result<String> {
        let client = self.clickhouse.query_client();
        client.query("SELECT toString(now64(6))").fetch_one().await.context("cannot ask for the time")
    }

    /// What the questions of the query API took since a time.
    pub(crate) async fn work_since(&self, since: &str) -> anyhow::Result<Work> {
        let client = self.clickhouse.query_client();
        client.query("SYSTEM FLUSH LOGS query_log").execute().await.context("cannot write the log")?;
        let query = client.query(include_str!("work.sql")).param("since", since).param("user", &self.reader);
        match query.fetch_all::<u64>().await.context("cannot read the log")?[..] {
            [rows, bytes, micros] => Ok(Work { rows, bytes, micros }),
            _ => bail!("the log has no sums"),
        }
    }

    /// The number that a query gives.
    pub(crate) async fn number(&self, sql: &str) -> anyhow::Result<u64> {
        self.clickhouse.query_client().query(sql).fetch_one().await.with_context(|| sql.to_owned())
    }
}
