//! Changes of people's colours, as the authority's feeds sent them.

use clickhouse::Row;
use schemas::{Colour, PersonKey, UnixSeconds};
use serde::Deserialize;
use uuid::Uuid;

use super::{Kind, Store, columns};
use crate::QueryError;

/// A change of a known person's colour.
#[derive(Debug, Clone, Row, Deserialize)]
pub struct HealthChangeRow {
    /// From when it is in force.
    pub since: UnixSeconds,
    /// The colour.
    #[serde(deserialize_with = "columns::colour")]
    pub colour: Colour,
    /// Until when; 0 when it has no end of its own.
    pub expires_at: UnixSeconds,
    /// Which authority decided.
    pub issuer: String,
    /// Number of the evidence.
    pub evidence: String,
    /// Why.
    pub reason: String,
    /// Which account sent it; empty when that is not known.
    pub sent_by: String,
    /// Which account released it; empty when it was no bulk change.
    pub released_by: String,
    /// The bulk change; nil when it was none.
    #[serde(with = "clickhouse::serde::uuid")]
    pub proposal_id: Uuid,
}

impl Store {
    /// The first `limit` changes of a person's colour, the one that counts first, and whether there are more.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn health_changes(
        &self,
        person: PersonKey,
        limit: usize,
    ) -> Result<(Vec<HealthChangeRow>, bool), QueryError> {
        let query = self.query_of_person(include_str!("../sql/health_changes.sql"));
        self.up_to(Kind::HealthChanges, query.param("person", person.to_u64()), limit).await
    }
}
