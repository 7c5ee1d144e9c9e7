//! Bulk changes of health codes, as the fold of their log has decided them.

use clickhouse::Row;
use serde::Deserialize;
use uuid::Uuid;

use super::{Kind, Store};
use crate::QueryError;

/// The state of a bulk change after a record.
#[derive(Debug, Clone, Row, Deserialize)]
pub struct HealthProposalRow {
    /// The bulk change.
    #[serde(with = "clickhouse::serde::uuid")]
    pub proposal_id: Uuid,
    /// What the record says.
    pub action: String,
    /// When that was, in milliseconds since 1970.
    pub at_ms: i64,
    /// The command, if it was one.
    #[serde(with = "clickhouse::serde::uuid::option")]
    pub command_id: Option<Uuid>,
    /// Which account sent it.
    pub sender: String,
    /// Why it was refused; empty when it was not.
    pub refused: String,
    /// How far the bulk change is.
    pub state: String,
    /// Digest of its changes.
    pub digest: String,
    /// How many changes there are.
    pub changes: u32,
    /// How many of them to yellow.
    pub yellow: u32,
    /// How many of them to red.
    pub red: u32,
    /// When it was made, in milliseconds since 1970.
    pub made_at_ms: i64,
    /// By which account.
    pub made_by: String,
    /// From when it can no longer be released.
    pub expires_at_ms: i64,
    /// When it was released.
    pub released_at_ms: Option<i64>,
    /// By which account; empty before.
    pub released_by: String,
}

/// Which bulk changes are meant; all parts hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProposalFilter {
    /// Those in a state, or `open`.
    pub state: Option<&'static str>,
    /// Those made from this time on, in milliseconds since 1970.
    pub since_ms: i64,
    /// The time by which one is still open, in milliseconds since 1970.
    pub now_ms: i64,
}

impl Store {
    /// The bulk changes that are meant, as they are now, the last made first, up to `limit`, and whether there are more.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn health_proposals(
        &self,
        filter: &ProposalFilter,
        limit: usize,
    ) -> Result<(Vec<HealthProposalRow>, bool), QueryError> {
        let query = self
            .query(include_str!("../sql/health_proposals.sql"))
            .param("state", filter.state.unwrap_or_default())
            .param("since_ms", filter.since_ms)
            .param("now_ms", filter.now_ms);
        self.up_to(Kind::HealthProposals, query, limit).await
    }

    /// Every state of a bulk change, oldest first; none when there is no such.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn health_proposal(&self, proposal: Uuid) -> Result<Vec<HealthProposalRow>, QueryError> {
        let sql = include_str!("../sql/health_proposal.sql");
        let query = self.query(sql).param("proposal", proposal.to_string());
        self.rows(Kind::HealthProposal, query).await
    }
}
