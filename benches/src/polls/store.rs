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
}

/// What ClickHouse has done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// Of CPU.
    pub(crate) micros: u64,
}

impl Work {
    /// What was done since an earlier one.
    pub(crate) const fn since(self, earlier: Self) -> Self {
        Self {
            rows: self.rows.saturating_sub(earlier.rows),
            bytes: self.bytes.saturating_sub(earlier.bytes),
            micros: self.micros.saturating_sub(earlier.micros),
        }
    }
}

impl Store {
    pub(crate) const fn new(clickhouse: ClickHouseConfig) -> Self {
        Self { clickhouse }
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

    /// What has been done so far, for whomever; asking for it counts as some hundred rows.
    pub(crate) async fn work(&self) -> anyhow::Result<Work> {
        let query = self.clickhouse.query_client().query(include_str!("work.sql"));
        match query.fetch_all::<u64>().await.context("cannot read the counters")?[..] {
            [rows, bytes, micros] => Ok(Work { rows, bytes, micros }),
            _ => bail!("ClickHouse has not these counters"),
        }
    }

    /// The number that a query gives.
    pub(crate) async fn number(&self, sql: &str) -> anyhow::Result<u64> {
        self.clickhouse.query_client().query(sql).fetch_one().await.with_context(|| sql.to_owned())
    }
}
