//! `GET /v1/stats`: how much is stored.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{AppState, QueryError, answer, input::Fields, refusals::Refusals};

/// Totals over everything that is stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatsResponse {
    /// Scans.
    scans: u64,
    /// Distinct people scanned.
    persons: u64,
    /// Distinct venues scanned at.
    venues_scanned: u64,
    /// Venues in the directory.
    venues: u64,
    /// First scan; null when there is none.
    first_scan_at: Option<DateTime<Utc>>,
    /// Last scan; null when there is none.
    last_scan_at: Option<DateTime<Utc>>,
}

/// Totals over everything that is stored.
#[utoipa::path(get, path = "/v1/stats", tag = "scans",
    responses(
        (status = 200, description = "The totals", body = StatsResponse),
        Refusals,
    ))]
pub async fn stats(State(state): State<AppState>, fields: Fields) -> Result<Json<StatsResponse>, QueryError> {
    fields.finish()?;
    let row = state.store().stats().await?;
    let at = |at| (row.scans > 0).then(|| answer::time(at));
    Ok(Json(StatsResponse {
        scans: row.scans,
        persons: row.persons,
        venues_scanned: row.venues_scanned,
        venues: row.venues,
        first_scan_at: at(row.first_scan),
        last_scan_at: at(row.last_scan),
    }))
}
