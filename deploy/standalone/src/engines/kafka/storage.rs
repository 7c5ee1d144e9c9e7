//! What the embedded broker stores, looked at while it is stopped: messages are rows of an SQLite database.
//!
//! The tables are those of `tansu-storage` 0.6. A message is never taken out: offsets without gaps are what ledger, machines
//! and the broker's own look for the end of a partition go by. It is emptied instead, and then the file is written anew,
//! since SQLite leaves what was there in free pages.

use std::path::Path;

use anyhow::{Context, ensure};
use libsql::{Builder, Connection, Rows, params};

/// A partition as the storage knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Full name of its topic.
    pub topic: String,
    /// Its row in the storage.
    id: i64,
}

/// A stored message.
#[derive(Debug)]
pub struct Record {
    /// Its offset.
    pub offset: i64,
    /// When it came, in milliseconds since 1970.
    pub came_at_ms: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
}

/// What is to become of a message.
#[derive(Debug)]
pub struct Change {
    /// Its partition.
    pub partition: Partition,
    /// Its offset.
    pub offset: i64,
    /// Its value from now on; key, value and headers go when there is none.
    pub value: Option<Vec<u8>>,
}

/// How far a partition has been looked through, and for how many erasures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looked {
    /// How many erasures were known.
    pub erasures: i64,
    /// Up to which offset, exclusive.
    pub up_to: i64,
}

/// Stands among partitions for the file itself, while it is to be written anew.
const FILE: i64 = -1;

/// The storage of a broker that is stopped.
pub struct Storage {
    connection: Connection,
}

impl Storage {
    /// Opens the storage; `None` when no broker has stored anything there.
    ///
    /// # Errors
    /// The file cannot be opened, or is none of the broker.
    pub async fn open(file: &Path) -> anyhow::Result<Option<Self>> {
        if !file.exists() {
            return Ok(None);
        }
        let database = Builder::new_local(file).build().await.context("cannot open the embedded Kafka's storage")?;
        let storage = Self { connection: database.connect()? };
        let tables = "SELECT count(*) FROM sqlite_master WHERE name IN ('topic', 'topition', 'record', 'header')";
        let there: i64 = storage.one(tables).await?;
        if there == 0 {
            return Ok(None);
        }
        ensure!(there == 4, "the embedded Kafka's storage is not as this version knows it");
        let made = "CREATE TABLE IF NOT EXISTS venuecode_looked (topition INTEGER PRIMARY KEY, erasures INTEGER NOT NULL, \
                    up_to INTEGER NOT NULL)";
        storage.connection.execute(made, ()).await?;
        Ok(Some(storage))
    }

    /// Every partition of every topic.
    ///
    /// # Errors
    /// The storage cannot be read.
    pub async fn partitions(&self) -> anyhow::Result<Vec<Partition>> {
        let query = "SELECT t.name, p.id FROM topition p JOIN topic t ON t.id = p.topic ORDER BY p.id";
        let mut rows = self.connection.query(query, ()).await?;
        let mut partitions = Vec::new();
        while let Some(row) = rows.next().await? {
            partitions.push(Partition { topic: row.get(0)?, id: row.get(1)? });
        }
        Ok(partitions)
    }

    /// How far a partition has been looked through before.
    ///
    /// # Errors
    /// The storage cannot be read.
    pub async fn looked(&self, partition: &Partition) -> anyhow::Result<Looked> {
        let query = "SELECT erasures, up_to FROM venuecode_looked WHERE topition = ?";
        let row = self.connection.query(query, [partition.id]).await?.next().await?;
        row.map_or(Ok(Looked::default()), |row| Ok(Looked { erasures: row.get(0)?, up_to: row.get(1)? }))
    }

    /// The messages of a partition from an offset on, in their order.
    ///
    /// # Errors
    /// The storage cannot be read.
    pub async fn records(&self, partition: &Partition, from: i64) -> anyhow::Result<Records> {
        let query =
            "SELECT offset_id, timestamp, k, v FROM record WHERE topition = ? AND offset_id >= ? ORDER BY offset_id";
        Ok(Records(self.connection.query(query, [partition.id, from]).await?))
    }

    /// Whether messages were changed and the file was not written anew since, as when that was cut off.
    ///
    /// # Errors
    /// The storage cannot be read.
    pub async fn is_stale(&self) -> anyhow::Result<bool> {
        let query = format!("SELECT count(*) FROM venuecode_looked WHERE topition = {FILE}");
        Ok(self.one(&query).await? > 0)
    }

    /// Changes messages, all or none of them; the file is stale from then on.
    ///
    /// # Errors
    /// The storage cannot be written.
    pub async fn change(&self, changes: &[Change]) -> anyhow::Result<()> {
        self.connection.execute("CREATE TEMP TABLE emptied (topition INTEGER, offset_id INTEGER)", ()).await?;
        let transaction = self.connection.transaction().await?;
        for Change { partition, offset, value } in changes {
            let at = (partition.id, *offset);
            if let Some(value) = value {
                let update = "UPDATE record SET v = ? WHERE topition = ? AND offset_id = ?";
                transaction.execute(update, params![value.clone(), at.0, at.1]).await?;
            } else {
                let update = "UPDATE record SET k = NULL, v = NULL WHERE topition = ? AND offset_id = ?";
                transaction.execute(update, at).await?;
                transaction.execute("INSERT INTO temp.emptied VALUES (?, ?)", at).await?;
            }
        }
        // At once: headers have no index.
        let headers =
            "DELETE FROM header WHERE (topition, offset_id) IN (SELECT topition, offset_id FROM temp.emptied)";
        transaction.execute(headers, ()).await?;
        transaction.execute("INSERT OR REPLACE INTO venuecode_looked VALUES (?, 0, 0)", [FILE]).await?;
        transaction.commit().await?;
        self.connection.execute("DROP TABLE temp.emptied", ()).await?;
        Ok(())
    }

    /// Writes the file anew, so that nothing is left in free pages and none in SQLite's log.
    ///
    /// # Errors
    /// The storage cannot be written, for want of space for a second copy for instance.
    pub async fn write_anew(&self) -> anyhow::Result<()> {
        self.connection.execute("VACUUM", ()).await.context("cannot write the embedded Kafka's storage anew")?;
        let busy: i64 = self.one("PRAGMA wal_checkpoint(TRUNCATE)").await?;
        ensure!(busy == 0, "another process uses the embedded Kafka's storage");
        Ok(())
    }

    /// Notes how far partitions have been looked through, after the file was written anew if that was to be done.
    ///
    /// # Errors
    /// The storage cannot be written.
    pub async fn note(&self, looked: &[(Partition, Looked)]) -> anyhow::Result<()> {
        let transaction = self.connection.transaction().await?;
        for (partition, Looked { erasures, up_to }) in looked {
            let note = "INSERT OR REPLACE INTO venuecode_looked VALUES (?, ?, ?)";
            transaction.execute(note, (partition.id, *erasures, *up_to)).await?;
        }
        transaction.execute("DELETE FROM venuecode_looked WHERE topition = ?", [FILE]).await?;
        Ok(transaction.commit().await?)
    }

    async fn one(&self, query: &str) -> anyhow::Result<i64> {
        let row = self.connection.query(query, ()).await?.next().await?;
        Ok(row.context("the embedded Kafka's storage does not answer")?.get(0)?)
    }
}

/// Messages as they are read.
pub struct Records(Rows);

impl Records {
    /// The next one.
    ///
    /// # Errors
    /// The storage cannot be read.
    pub async fn next(&mut self) -> anyhow::Result<Option<Record>> {
        let Some(row) = self.0.next().await? else { return Ok(None) };
        Ok(Some(Record {
            offset: row.get(0)?,
            came_at_ms: row.get::<Option<i64>>(1)?.unwrap_or_default(),
            key: row.get(2)?,
            value: row.get(3)?,
        }))
    }
}
