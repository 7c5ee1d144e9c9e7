//! Alerts about abnormal scans and lorries, as the districts' books have them.

use clickhouse::Row;
use schemas::{PersonKey, VenueId};
use serde::Deserialize;
use uuid::Uuid;

use super::{DistrictFilter, Kind, Store, columns};
use crate::QueryError;

/// The state of an alert after a record.
#[derive(Debug, Clone, Row, Deserialize)]
pub struct AlertRow {
    /// The alert.
    #[serde(with = "clickhouse::serde::uuid")]
    pub alert_id: Uuid,
    /// District of the venue.
    pub district: u32,
    /// What is abnormal.
    pub kind: String,
    /// Where.
    pub venue_id: VenueId,
    /// Who.
    #[serde(deserialize_with = "columns::person")]
    pub person_id: PersonKey,
    /// The lorry; 0 outside the freight loop.
    pub vehicle_id: u64,
    /// When.
    pub scanned_at: u32,
    /// How; empty when it was no scan.
    pub method: String,
    /// What the person was told; empty when it was no scan.
    pub verdict: String,
    /// The graver one of the colour that was shown and the colour in force; empty when it was no scan.
    pub colour: String,
    /// Why the person was refused.
    pub reasons: Vec<String>,
    /// When it was raised, in milliseconds since 1970.
    pub raised_at_ms: i64,
    /// What the record says.
    pub action: String,
    /// When that was, in milliseconds since 1970.
    pub at_ms: i64,
    /// The command, if it was one.
    #[serde(with = "clickhouse::serde::uuid::option")]
    pub command_id: Option<Uuid>,
    /// Who sent it; empty when it was none.
    pub sender: String,
    /// Why the command was not carried out; empty when it was.
    pub refused: String,
    /// How far the alert is.
    pub state: String,
    /// When it was found that nobody had acknowledged it in time.
    pub escalated_at_ms: Option<i64>,
    /// When it was acknowledged.
    pub acknowledged_at_ms: Option<i64>,
    /// By whom; empty before.
    pub acknowledged_by: String,
    /// When it was disposed of.
    pub disposed_at_ms: Option<i64>,
    /// By whom; empty before.
    pub disposed_by: String,
    /// What became of the person; empty before.
    pub disposition: String,
}

impl Store {
    /// Every state of an alert, oldest first; none when there is no such alert.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn alert(&self, district: u32, alert: Uuid) -> Result<Vec<AlertRow>, QueryError> {
        let query = self.query(include_str!("../sql/alert.sql")).param("district", district);
        self.rows(Kind::Alert, query.param("alert", alert.to_string())).await
    }

    /// The alerts that are meant, as they are now, newest first, up to `limit`, and whether there are more.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn alerts(&self, filter: &DistrictFilter, limit: usize) -> Result<(Vec<AlertRow>, bool), QueryError> {
        self.up_to(Kind::Alerts, filter.bind(self.query(include_str!("../sql/alerts.sql"))), limit).await
    }
}
