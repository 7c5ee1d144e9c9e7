//! Erasures of people, as the fold of their log has decided and carried them out. Who it was is a digest alone.

use clickhouse::Row;
use serde::Deserialize;
use uuid::Uuid;

use super::{DistrictFilter, Kind, Store};
use crate::QueryError;

/// The state of an erasure after a record.
#[derive(Debug, Clone, Default, Row, Deserialize)]
pub struct ErasureRow {
    /// The erasure.
    #[serde(with = "clickhouse::serde::uuid")]
    pub erasure_id: Uuid,
    /// District of the office that asked.
    pub district: u32,
    /// What the record says.
    pub action: String,
    /// When that was, in milliseconds since 1970.
    pub at_ms: i64,
    /// The command, if it was one.
    #[serde(with = "clickhouse::serde::uuid::option")]
    pub command_id: Option<Uuid>,
    /// Which account sent it; empty when it was none.
    pub sender: String,
    /// Why it was refused; empty when it was not.
    pub refused: String,
    /// How far the erasure is.
    pub state: String,
    /// Of whom, as [`schemas::PersonDigest`] writes it.
    pub digest: String,
    /// On what basis.
    pub basis: String,
    /// What shows it.
    pub evidence: String,
    /// When it was asked for.
    pub asked_at_ms: i64,
    /// By which account.
    pub asked_by: String,
    /// From when it can no longer be confirmed.
    pub expires_at_ms: i64,
    /// When it was confirmed.
    pub confirmed_at_ms: Option<i64>,
    /// By which account; empty before.
    pub confirmed_by: String,
    /// When it was declined.
    pub declined_at_ms: Option<i64>,
    /// By which account; empty when it was not.
    pub declined_by: String,
    /// Why; empty when it was not.
    pub declined_for: String,
    /// What is from before is erased.
    pub erased_before_ms: Option<i64>,
    /// When it was carried out.
    pub done_at_ms: Option<i64>,
    /// From which tables rows were removed.
    pub removed_tables: Vec<String>,
    /// How many, in the same order.
    pub removed_rows: Vec<u64>,
    /// On which topics bytes may still be.
    pub remains_topics: Vec<String>,
    /// Until when at most, in the same order; 0 when no end is known.
    pub remains_until_ms: Vec<i64>,
}

impl Store {
    /// The last states of an erasure, oldest first, up to `limit`, and whether there are more; none when there is no such.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn erasure(&self, erasure: Uuid, limit: usize) -> Result<(Vec<ErasureRow>, bool), QueryError> {
        let query = self.query(include_str!("../sql/erasure.sql")).param("erasure", erasure.to_string());
        self.last_up_to(Kind::Erasure, query, limit).await
    }

    /// The erasures that are meant, as they are now, newest first, up to `limit`, and whether there are more.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn erasures(&self, filter: &DistrictFilter, limit: usize) -> Result<(Vec<ErasureRow>, bool), QueryError> {
        self.up_to(Kind::Erasures, filter.bind(self.query(include_str!("../sql/erasures.sql"))), limit).await
    }

    /// How many erasures were carried out. None is ever taken out, so what was read while there were as many has nobody who
    /// was erased since, whatever any clock says.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn erasures_done(&self) -> Result<u64, QueryError> {
        self.row(Kind::ErasuresDone, self.query(include_str!("../sql/erasures_done.sql"))).await
    }
}
