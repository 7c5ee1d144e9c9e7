//! Stores a batch in ClickHouse so that each row is there once, whatever happens in between.
//!
//! One insert of one block with one token reaches every table. A token alone is not enough: a server that is
//! killed between noting a token and keeping its part skips those rows when they are sent again. So after any
//! outcome that is not a plain success the tables are read back, and what is missing is stored under a new
//! token, itself written down first.

use std::{collections::HashSet, time::Duration};

use clickhouse::{Client, error::Error};
use schemas::{ScanRow, ddl::SCAN_TABLES};
use service::ClickHouseConfig;

use crate::{batch::Batch, fault::Fault, metrics};

/// How long reading back may take.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// The columns of `scans_in` with their types, for repairing one table from the same bytes.
const STRUCTURE: &str = "person_id UInt64, venue_id UInt32, scanned_at DateTime, method Int8, direction Int8, \
     verdict Int8, reasons UInt16, exemption Int8, colour_shown Int8, colour Int8, test_result Int8, \
     test_sampled_at DateTime, district UInt32, category String, far_from_venue Bool, event_id UUID, stream UInt32, kafka_offset UInt64";

/// Columns of the two scan tables; `scans_in` without the identity.
const SCAN_COLUMNS: &str = "person_id, venue_id, scanned_at, method, direction, verdict, reasons, exemption, \
     colour_shown, colour, test_result, test_sampled_at, district, category, far_from_venue, stream, kafka_offset";

/// Columns of `scan_ids` that an insert gives.
const ID_COLUMNS: &str = "stream, kafka_offset, event_id";

/// Rows of one table that should be there and are not.
#[derive(Debug, PartialEq, Eq)]
pub struct Missing {
    /// The table.
    pub table: &'static str,
    /// Offsets of the rows, ascending.
    pub offsets: Vec<u64>,
}

/// The ClickHouse side of the sink.
#[derive(Clone)]
pub struct Sink {
    insert: Client,
    query: Client,
    timeout: Duration,
    with_token: bool,
}

impl Sink {
    /// A sink into the database of the configuration; an insert that takes longer than `timeout` is given up.
    pub fn new(config: &ClickHouseConfig, timeout: Duration, fault: Option<Fault>) -> Self {
        let with_token = fault != Some(Fault::TokenLeftOut);
        let insert = config
            .insert_client()
            .with_setting("deduplicate_insert", if with_token { "enable" } else { "disable" })
            .with_setting("deduplicate_blocks_in_dependent_materialized_views", "1")
            // Rows for one table come through a SELECT: rather refused than stored without a look at the token.
            .with_setting("deduplicate_insert_select", if with_token { "force_enable" } else { "disable" })
            // One batch is one block; more than this many weeks in it means that something else is wrong.
            .with_setting("max_partitions_per_insert_block", "2000");
        let query = config.query_client().with_setting("max_execution_time", READ_TIMEOUT.as_secs().to_string());
        Self { insert, query, timeout, with_token }
    }

    /// Sends the whole batch. `Ok` means acknowledged; after an error nothing is known.
    ///
    /// # Errors
    /// Whatever ClickHouse or the way to it says.
    pub async fn insert(&self, batch: &Batch, token: &str) -> Result<(), Error> {
        if batch.rows.is_empty() {
            return Ok(());
        }
        let sql = format!("INSERT INTO scans_in ({}) FORMAT RowBinary", ScanRow::COLUMNS);
        self.send(sql, batch.bytes.clone(), token).await
    }

    /// Sends rows that were found missing to the one table that lacks them.
    ///
    /// # Errors
    /// Whatever ClickHouse or the way to it says.
    pub async fn insert_missing(&self, batch: &Batch, missing: &Missing, token: &str) -> Result<(), Error> {
        let columns = if missing.table == "scan_ids" { ID_COLUMNS } else { SCAN_COLUMNS };
        let table = missing.table;
        let sql =
            format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM input('{STRUCTURE}') FORMAT RowBinary");
        self.send(sql, batch.bytes_of(&missing.offsets), token).await
    }

    /// Which rows of the batch are not in which table.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn find_missing(&self, batch: &Batch, stream: u32) -> Result<Vec<Missing>, Error> {
        let mut all_missing = Vec::new();
        let (Some(first), Some(last)) = (batch.rows.first(), batch.rows.last()) else { return Ok(all_missing) };
        for table in SCAN_TABLES {
            let sql = format!(
                "SELECT kafka_offset FROM {table} WHERE stream = {{stream:UInt32}} \
                 AND kafka_offset >= {{first:UInt64}} AND kafka_offset <= {{last:UInt64}}"
            );
            let query = self.query.query(&sql).param("stream", stream);
            let query = query.param("first", first.offset).param("last", last.offset);
            let stored: Vec<u64> = in_time(query.fetch_all()).await?;
            let count = stored.len();
            let stored: HashSet<u64> = stored.into_iter().collect();
            let doubled = count - stored.len();
            if doubled > 0 {
                tracing::error!(table, doubled, "rows are stored more than once");
                ::metrics::counter!(metrics::DOUBLED, "table" => *table).increment(doubled as u64);
            }
            let offsets: Vec<u64> = batch.rows.iter().map(|r| r.offset).filter(|o| !stored.contains(o)).collect();
            if !offsets.is_empty() {
                all_missing.push(Missing { table, offsets });
            }
        }
        Ok(all_missing)
    }

    /// Removes the row of one message from every table that took it, after another table refused it.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn remove(&self, stream: u32, offset: u64) -> Result<(), Error> {
        for table in SCAN_TABLES {
            let rows = format!("FROM {table} WHERE stream = {{stream:UInt32}} AND kafka_offset = {{offset:UInt64}}");
            let with_values = |sql: String| self.query.query(&sql).param("stream", stream).param("offset", offset);
            let stored: u64 = in_time(with_values(format!("SELECT count() {rows}")).fetch_one()).await?;
            if stored > 0 {
                in_time(with_values(format!("DELETE {rows}")).execute()).await?;
            }
        }
        Ok(())
    }

    /// The identities stored from a stream between two offsets, in order.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn stored_ids(&self, stream: u32, from: u64, before: u64) -> Result<Vec<(uuid::Uuid, u64)>, Error> {
        #[derive(clickhouse::Row, serde::Deserialize)]
        struct IdRow {
            #[serde(with = "clickhouse::serde::uuid")]
            event_id: uuid::Uuid,
            kafka_offset: u64,
        }
        let sql = "SELECT event_id, kafka_offset FROM scan_ids WHERE stream = {stream:UInt32} \
             AND kafka_offset >= {from:UInt64} AND kafka_offset < {before:UInt64} ORDER BY stream, kafka_offset";
        let query = self.query.query(sql).param("stream", stream).param("from", from).param("before", before);
        let rows: Vec<IdRow> = in_time(query.fetch_all()).await?;
        Ok(rows.into_iter().map(|row| (row.event_id, row.kafka_offset)).collect())
    }

    /// How many of these identities are stored, from whatever stream.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn count_stored(&self, ids: &[uuid::Uuid]) -> Result<u64, Error> {
        let ids: Vec<String> = ids.iter().map(uuid::Uuid::to_string).collect();
        let sql = "SELECT uniqExact(event_id) FROM scan_ids WHERE has({ids:Array(UUID)}, event_id)";
        in_time(self.query.query(sql).param("ids", ids).fetch_one()).await
    }

    async fn send(&self, sql: String, bytes: Vec<u8>, token: &str) -> Result<(), Error> {
        let mut insert = self.insert.insert_formatted_with(sql).with_timeouts(Some(self.timeout), Some(self.timeout));
        if self.with_token {
            insert = insert.with_setting("insert_deduplication_token", token);
        }
        insert.send(bytes.into()).await?;
        insert.end().await
    }
}

/// Gives up on an answer that does not come: a connection that is cut without a word would be waited for for ever.
async fn in_time<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(READ_TIMEOUT, answer).await.unwrap_or(Err(Error::TimedOut))
}
