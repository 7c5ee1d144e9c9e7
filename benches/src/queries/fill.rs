//! Stores a city as the processor's rows, in a directory that can be kept, and knows a city that is stored already.
//!
//! Rows go through `scans_in`, so that the real views fill the real tables; blocks are a hundred times larger than the
//! processor's, which leaves fewer parts to merge.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use futures::StreamExt;
use schemas::{ScanRow, UnixSeconds};
use serde::{Deserialize, Serialize};
use service::ClickHouseConfig;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::city::Rows;
use crate::city::City;
use crate::polls::store::Store;
use crate::terminal::Progress;

/// Rows of one insert.
const BLOCK: usize = 1_000_000;
/// Bytes of a row in RowBinary, about.
const ROW_BYTES: usize = 96;
/// Inserts under way at once.
const AT_ONCE: usize = 2;
const INSERT: Duration = Duration::from_secs(600);
const MARKER: &str = "city.json";

/// Which city is stored; the marker of a whole one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) rows: u64,
    pub(super) seed: u64,
    pub(super) until: UnixSeconds,
}

impl Kept {
    /// Where it is kept below a directory, and whether it is whole. What is left of one that was not stored to its end
    /// is removed.
    pub(super) fn find(&self, parent: &Path) -> anyhow::Result<(PathBuf, bool)> {
        let directory = parent.join(format!("city-{}-{}-{}", self.rows, self.seed, self.until));
        let is_whole = fs::read(directory.join(MARKER))
            .is_ok_and(|marker| serde_json::from_slice::<Self>(&marker).is_ok_and(|marker| marker == *self));
        if !is_whole && directory.exists() {
            eprintln!("queries: {} is not whole and made anew", directory.display());
            fs::remove_dir_all(&directory).with_context(|| format!("cannot remove {}", directory.display()))?;
        }
        fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        Ok((directory, is_whole))
    }

    /// Says that it is whole.
    pub(super) fn mark(&self, directory: &Path) -> anyhow::Result<()> {
        let staging = directory.join("city.json.new");
        fs::write(&staging, serde_json::to_vec(self)?)?;
        fs::rename(&staging, directory.join(MARKER)).context("cannot write the marker")
    }

    /// Makes sure that as many scans are stored of its time as there should be.
    pub(super) async fn check(&self, store: &Store, since: UnixSeconds) -> anyhow::Result<()> {
        let sql = format!(
            "SELECT count() FROM scans_by_venue WHERE scanned_at >= toDateTime({since}, 'UTC') \
             AND scanned_at < toDateTime({}, 'UTC')",
            self.until
        );
        let stored = store.number(&sql).await?;
        ensure!(stored == self.rows, "{stored} scans are stored instead of {}", self.rows);
        Ok(())
    }
}

/// Stores all scans of a city.
pub(super) async fn fill(clickhouse: &ClickHouseConfig, city: Arc<City>) -> anyhow::Result<()> {
    let total = city.plan().scans;
    let mut progress = Progress::start("scans", total);
    let (sender, blocks) = mpsc::channel(1);
    // It ends early when nobody takes its blocks any more.
    let making = tokio::task::spawn_blocking(move || make(&city, &sender));
    // Uncompressed: it goes no further than to this machine.
    let client =
        clickhouse.query_client().with_setting("async_insert", "0").with_setting("max_insert_block_size", "1100000");
    let sql = format!("INSERT INTO scans_in ({}) FORMAT RowBinary", ScanRow::COLUMNS);
    let insert = |(rows, bytes): (u64, Bytes)| {
        let insert = client.insert_formatted_with(sql.clone()).with_timeouts(Some(INSERT), Some(INSERT));
        async move {
            let mut insert = insert;
            insert.send(bytes).await?;
            insert.end().await?;
            anyhow::Ok(rows)
        }
    };
    let mut inserted = ReceiverStream::new(blocks).map(insert).buffer_unordered(AT_ONCE);
    let mut stored = 0;
    while let Some(rows) = inserted.next().await {
        stored += rows.context("cannot store scans")?;
        progress.advance_to(stored, stored);
    }
    making.await.context("no more rows are made")?;
    progress.finish();
    Ok(())
}

fn make(city: &City, blocks: &mpsc::Sender<(u64, Bytes)>) {
    let mut rows = Rows::new(city);
    let mut scans = city.scans().peekable();
    while scans.peek().is_some() {
        let (mut count, mut bytes) = (0, Vec::with_capacity(BLOCK.min(city.plan().scans as usize) * ROW_BYTES));
        for scan in scans.by_ref().take(BLOCK) {
            rows.row(&scan).encode(&mut bytes);
            count += 1;
        }
        if blocks.blocking_send((count, bytes.into())).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_city_that_was_not_stored_to_its_end_is_not_taken() -> anyhow::Result<()> {
        let parent = tempfile::tempdir()?;
        let kept = Kept { rows: 10, seed: 1, until: 1_653_148_800 };
        let (directory, is_whole) = kept.find(parent.path())?;
        assert!(!is_whole);
        fs::write(directory.join("half"), "of it")?;
        assert!(!kept.find(parent.path())?.1 && !directory.join("half").exists());
        kept.mark(&directory)?;
        fs::write(directory.join("data"), "all of it")?;
        assert!(kept.find(parent.path())?.1 && directory.join("data").exists());
        let other = Kept { seed: 2, ..kept };
        assert!(!other.find(parent.path())?.1 && directory.join("data").exists(), "another city is another directory");
        Ok(())
    }
}
