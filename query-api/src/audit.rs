//! Appends to the audit log: the one thing that this service writes.
//!
//! One task appends. What comes while an insert is on its way goes into the next one together, and a request that is given
//! up leaves the insert alone, so that neither a slow disk nor clients that hang up hold the others up or begin chains.

use std::{path::PathBuf, sync::Arc, time::Duration};

use clickhouse::Client;
use schemas::{
    KeyRing,
    audit::{AuditEntry, AuditRead, Chain},
};
use service::{ClickHouseConfig, clock::now_ms, secret::read_key_ring};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::{QueryError, store::StoreFailure};

/// How long an entry may take to be on the disk, its waiting included.
const PATIENCE: Duration = Duration::from_secs(10);
/// Entries that wait for their insert, and most in one.
const MOST: usize = 1024;
const INSERT: &str = "INSERT INTO audit_log FORMAT JSONEachRow";
const SETTINGS: [(&str, &str); 5] = [
    // An entry has every column; one that the table does not have is a mistake of ours.
    ("input_format_skip_unknown_fields", "0"),
    // Some entries are work for one thread.
    ("max_threads", "1"),
    ("max_insert_threads", "1"),
    ("input_format_parallel_parsing", "0"),
    // Each filter would be two more files to bring to the disk; the next merge makes them, and until then little is read.
    ("materialize_skip_indexes_on_insert", "0"),
];

/// With what the audit log is written.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Audit log")]
pub struct AuditConfig {
    /// File with the keys that entries of the audit log are hashed with, as lines of VERSION:HEX; the last one is in use
    #[arg(long, env = "VENUECODE_AUDIT_KEY_FILE", value_name = "FILE")]
    pub audit_key_file: PathBuf,
}

/// The log, as this instance appends to it.
pub struct AuditLog {
    queue: mpsc::Sender<Waiting>,
    patience: Duration,
}

/// A read that is to be written down, and who waits for it.
struct Waiting {
    read: AuditRead,
    done: oneshot::Sender<Result<(), Arc<StoreFailure>>>,
}

impl AuditLog {
    /// The log in a database; takes a tokio runtime. Nothing is written yet.
    ///
    /// # Errors
    /// When the keys cannot be read.
    pub fn try_new(config: &AuditConfig, clickhouse: &ClickHouseConfig) -> anyhow::Result<Self> {
        Ok(Self::start(read_key_ring(&config.audit_key_file)?, clickhouse, PATIENCE))
    }

    fn start(keys: KeyRing, clickhouse: &ClickHouseConfig, patience: Duration) -> Self {
        let mut client = clickhouse.insert_client();
        for (setting, value) in SETTINGS {
            client = client.with_setting(setting, value);
        }
        let (queue, waiting) = mpsc::channel(MOST);
        let appender = Appender { client, keys: Arc::new(keys), patience, chain: None };
        tokio::spawn(appender.run(waiting));
        Self { queue, patience }
    }

    /// Appends an entry and returns when it is on the disk.
    ///
    /// # Errors
    /// [`QueryError::NotAudited`] when it is not, or that is not known.
    pub async fn append(&self, read: AuditRead) -> Result<(), QueryError> {
        let (done, outcome) = oneshot::channel();
        let append = async {
            self.queue.send(Waiting { read, done }).await.map_err(|_| StoreFailure::Silent)?;
            outcome.await.map_err(|_| StoreFailure::Silent)?
        };
        let appended = tokio::time::timeout(self.patience, append).await;
        appended.unwrap_or_else(|_| Err(StoreFailure::Silent.into())).map_err(QueryError::NotAudited)
    }
}

/// The one task that writes.
struct Appender {
    client: Client,
    keys: Arc<KeyRing>,
    patience: Duration,
    /// Its chain; none before the first entry, and after one of which it is not known whether it was stored. Were the next
    /// one to follow on that one, or on the one before, it might be taken for tampering.
    chain: Option<Chain>,
}

impl Appender {
    /// Appends until nobody can wait any more.
    async fn run(mut self, mut queue: mpsc::Receiver<Waiting>) {
        let mut waiting = Vec::new();
        while queue.recv_many(&mut waiting, MOST).await > 0 {
            // Who has given up gets no answer, so nothing was read.
            waiting.retain(|waiting| !waiting.done.is_closed());
            let outcome = self.append(&waiting).await.map_err(Arc::new);
            for Waiting { done, .. } in waiting.drain(..) {
                let _ = done.send(outcome.clone());
            }
        }
    }

    async fn append(&mut self, waiting: &[Waiting]) -> Result<(), StoreFailure> {
        if waiting.is_empty() {
            return Ok(());
        }
        let mut chain = self.chain.take().unwrap_or_else(|| Chain::new(Uuid::now_v7(), Arc::clone(&self.keys)));
        // One time for all of them: an insert into the partitions of two months could be stored in part.
        let now_ms = now_ms();
        let mut lines = Vec::new();
        for Waiting { read, .. } in waiting {
            lines.extend(line(&chain.append(now_ms, read.clone())));
        }
        let inserted = tokio::time::timeout(self.patience, self.insert(lines)).await;
        inserted.unwrap_or(Err(StoreFailure::Silent))?;
        self.chain = Some(chain);
        Ok(())
    }

    async fn insert(&self, lines: Vec<u8>) -> Result<(), StoreFailure> {
        let insert = self.client.insert_formatted_with(INSERT);
        let mut insert = insert.with_timeouts(Some(self.patience), Some(self.patience));
        insert.send(lines.into()).await.map_err(StoreFailure::of)?;
        insert.end().await.map_err(StoreFailure::of)
    }
}

fn line(entry: &AuditEntry) -> Vec<u8> {
    // A struct of strings and numbers always serialises.
    let mut line = serde_json::to_vec(entry).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use futures::future::join_all;

    use super::*;

    #[tokio::test]
    async fn all_who_wait_for_a_store_that_says_nothing_are_refused_in_time() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let clickhouse = ClickHouseConfig {
            url: format!("http://{}", silent.local_addr().expect("an address")),
            user: String::new(),
            password: service::secret::Secret::default(),
            database: String::new(),
        };
        let keys = KeyRing::try_parse(&format!("1:{}", "0".repeat(64))).expect("a key");
        let patience = Duration::from_secs(3);
        let log = AuditLog::start(keys, &clickhouse, patience);
        let started = Instant::now();
        let appended = join_all((0..20).map(|_| log.append(AuditRead::default()))).await;
        assert!(appended.iter().all(|outcome| matches!(outcome, Err(QueryError::NotAudited(_)))));
        assert!(started.elapsed() < 2 * patience, "{:?}", started.elapsed());
    }
}
