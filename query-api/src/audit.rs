//! Appends to the audit log: the one thing that this service writes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clickhouse::Client;
use schemas::audit::{AuditEntry, AuditRead, Chain};
use service::ClickHouseConfig;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::{QueryError, store::StoreFailure};

/// How long an entry may take to be on the disk.
const PATIENCE: Duration = Duration::from_secs(10);
const INSERT: &str = "INSERT INTO audit_log FORMAT JSONEachRow";

/// The log, as this instance appends to it.
pub struct AuditLog {
    client: Client,
    /// Its chain; none before the first entry, and after one of which it is not known whether it was stored.
    chain: Mutex<Option<Chain>>,
}

impl AuditLog {
    /// The log in a database. Nothing is written yet.
    pub fn new(clickhouse: &ClickHouseConfig) -> Self {
        // An entry has every column; one that the table does not have is a mistake of ours.
        let client = clickhouse.insert_client().with_setting("input_format_skip_unknown_fields", "0");
        Self { client, chain: Mutex::default() }
    }

    /// Appends an entry and returns when it is on the disk.
    ///
    /// # Errors
    /// [`QueryError::NotAudited`] when it is not, or that is not known. The next entry then begins a chain: were it to
    /// follow on this one, or on the one before, it might be taken for tampering.
    pub async fn append(&self, read: AuditRead) -> Result<(), QueryError> {
        let mut own = self.chain.lock().await;
        // Taken out, so that a request that is given up in the middle leaves none behind.
        let mut chain = own.take().unwrap_or_else(|| Chain::new(Uuid::now_v7()));
        let entry = chain.append(now_ms(), read);
        let inserted = tokio::time::timeout(PATIENCE, self.insert(&entry)).await;
        inserted.unwrap_or(Err(StoreFailure::Silent)).map_err(QueryError::NotAudited)?;
        *own = Some(chain);
        Ok(())
    }

    async fn insert(&self, entry: &AuditEntry) -> Result<(), StoreFailure> {
        // A struct of strings and numbers always serialises.
        let line = serde_json::to_vec(entry).unwrap_or_default();
        let insert = self.client.insert_formatted_with(INSERT);
        let mut insert = insert.with_timeouts(Some(PATIENCE), Some(PATIENCE));
        insert.send(line.into()).await.map_err(StoreFailure::of)?;
        insert.end().await.map_err(StoreFailure::of)
    }
}

/// Milliseconds since 1970 by this machine's clock.
pub fn now_ms() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}
