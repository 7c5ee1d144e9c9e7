//! `GET /v1/alerts` and `GET /v1/alerts/{id}`: abnormal scans and lorries, and what a district's office did about
//! them (S0 四, S4 二.2, 二.3).
//!
//! An office sees one scan at one venue of its own district. Whom it was of is shown masked, so that two people can be told
//! apart and nobody be looked up: where else somebody was takes a release.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use schemas::{
    AlertEvent, VenueId,
    city::Bilingual,
    events::{AlertState, Disposition},
};
use serde::Serialize;
use service::{Caller, Problem, openapi::IdOfDistrict};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    district,
    visits::{DEFAULT_LIMIT, MAX_LIMIT},
};
use crate::{
    AppState, QueryError,
    answer::{self, said},
    input::{Fields, Segment},
    refusals::Refusals,
    store::{AlertRow, VenueNames},
};

const ID: &str = "the identity of an alert";
/// What `state` may ask for besides the states themselves.
const ESCALATED: &str = "escalated";

/// Alerts.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertsResponse {
    /// As they are now, the last raised first.
    alerts: Vec<Alert>,
    /// Whether there are more than the limit let through.
    truncated: bool,
}

/// An alert with all that was said of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertResponse {
    #[serde(flatten)]
    alert: Alert,
    /// What was done about it, oldest first.
    history: Vec<Entry>,
}

/// An alert as it is now.
#[derive(Debug, Serialize, ToSchema)]
struct Alert {
    /// Its identity.
    alert: Uuid,
    /// How far it is: raised, acknowledged or disposed.
    state: String,
    /// What is abnormal: positive_test, abnormal_colour or symptoms; of a lorry undeclared_trip or overdue_trip.
    kind: String,
    /// District of the venue.
    district: u32,
    /// Number of the venue.
    venue: VenueId,
    /// Name of the venue; null when the directory does not have it.
    venue_name: Option<String>,
    /// Last four digits of the person key, the rest masked.
    #[schema(pattern = "^[*]{12}[0-9a-f]{4}$")]
    person: String,
    /// Last four digits of the lorry's key, the rest masked; null outside the freight loop.
    #[schema(pattern = "^[*]{12}[0-9a-f]{4}$")]
    vehicle: Option<String>,
    /// When the scan was made, or a trip that is overdue was due.
    scanned_at: DateTime<Utc>,
    /// How; null when it was no scan.
    method: Option<String>,
    /// What the person was told; null when it was no scan.
    verdict: Option<String>,
    /// The graver one of the colour that was shown and the colour in force at the scan; null when it was none.
    colour: Option<String>,
    /// Why the person was refused.
    reasons: Vec<String>,
    /// When the gateway took the scan.
    raised_at: DateTime<Utc>,
    /// When it was found that nobody had acknowledged it in time.
    escalated_at: Option<DateTime<Utc>>,
    /// When it was acknowledged.
    acknowledged_at: Option<DateTime<Utc>>,
    /// By which account.
    acknowledged_by: Option<String>,
    /// When it was said what became of the person.
    disposed_at: Option<DateTime<Utc>>,
    /// By which account.
    disposed_by: Option<String>,
    /// What became of the person.
    disposition: Option<Disposition>,
    /// The same in words.
    disposition_name: Option<Bilingual>,
}

/// What was done about an alert.
#[derive(Debug, Serialize, ToSchema)]
struct Entry {
    /// What it was: raised, acknowledge, dispose or escalate.
    action: String,
    /// When.
    at: DateTime<Utc>,
    /// The command's identity, if it was one.
    command: Option<Uuid>,
    /// Which account sent it.
    by: Option<String>,
    /// How far the alert was after it.
    state: String,
    /// Why it was not carried out: already_acknowledged, not_acknowledged or already_disposed.
    refused: Option<String>,
}

/// What became of an alert
///
/// An alert is here within a second after the scan was accepted.
#[utoipa::path(get, path = "/v1/alerts/{id}", tag = "alerts",
    params(IdOfDistrict),
    responses(
        (status = 200, description = "The alert with its history", body = AlertResponse),
        (status = 404, description = "`unknown-alert`", body = Problem, content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn alert(
    State(state): State<AppState>,
    caller: Caller,
    id: Segment,
    fields: Fields,
) -> Result<Json<AlertResponse>, QueryError> {
    let (id, district) = district::identity(id, ID, AlertEvent::district_of, caller.scope())?;
    fields.finish()?;
    let rows = state.store().alert(district, id).await?;
    let last = rows.last().ok_or(QueryError::UnknownAlert)?;
    let names = state.directory().names([last.venue_id]).await?;
    let alert = Alert::new(last, &names);
    Ok(Json(AlertResponse { alert, history: rows.into_iter().map(Entry::from).collect() }))
}

/// Alerts of a district, as they are now
#[utoipa::path(get, path = "/v1/alerts", tag = "alerts",
    params(
        ("district" = Option<u32>, Query, minimum = 11, maximum = 829_999, description = "A district of GB/T 2260, or its first digits"),
        ("state" = Option<String>, Query, pattern = "^(raised|acknowledged|disposed|escalated)$", description = "raised, acknowledged, disposed; or escalated: those that nobody has acknowledged in time"),
        ("since" = Option<String>, Query, format = DateTime, description = "Those raised from this time on"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 10_000, description = "Most of them; 1000 when left out"),
    ),
    responses(
        (status = 200, description = "The alerts", body = AlertsResponse),
        Refusals,
    ))]
pub async fn alerts(
    State(state): State<AppState>,
    caller: Caller,
    mut fields: Fields,
) -> Result<Json<AlertsResponse>, QueryError> {
    const STATE: &str = "one of raised, acknowledged, disposed, escalated";
    let words = AlertState::ALL.iter().map(|state| state.as_str()).chain([ESCALATED]);
    let filter = district::filter(&mut fields, caller.scope(), STATE, words)?;
    let limit = fields.number("limit", 1..=MAX_LIMIT, DEFAULT_LIMIT)?;
    fields.finish()?;
    let (rows, truncated) = state.store().alerts(&filter, limit as usize).await?;
    let names = state.directory().names(rows.iter().map(|row| row.venue_id)).await?;
    Ok(Json(AlertsResponse { alerts: rows.iter().map(|row| Alert::new(row, &names)).collect(), truncated }))
}

impl Alert {
    fn new(row: &AlertRow, names: &VenueNames) -> Self {
        let disposition = Disposition::ALL.iter().copied().find(|word| word.as_str() == row.disposition);
        Self {
            alert: row.alert_id,
            state: row.state.clone(),
            kind: row.kind.clone(),
            district: row.district,
            venue: row.venue_id,
            venue_name: names.of(row.venue_id).map(str::to_owned),
            person: answer::masked(row.person_id.to_u64()),
            vehicle: (row.vehicle_id > 0).then(|| answer::masked(row.vehicle_id)),
            scanned_at: answer::time(row.scanned_at),
            method: said(row.method.clone()),
            verdict: said(row.verdict.clone()),
            colour: said(row.colour.clone()),
            reasons: row.reasons.clone(),
            raised_at: answer::time_of_ms(row.raised_at_ms),
            escalated_at: row.escalated_at_ms.map(answer::time_of_ms),
            acknowledged_at: row.acknowledged_at_ms.map(answer::time_of_ms),
            acknowledged_by: said(row.acknowledged_by.clone()),
            disposed_at: row.disposed_at_ms.map(answer::time_of_ms),
            disposed_by: said(row.disposed_by.clone()),
            disposition,
            disposition_name: disposition.map(Disposition::name),
        }
    }
}

impl From<AlertRow> for Entry {
    fn from(row: AlertRow) -> Self {
        Self {
            action: row.action,
            at: answer::time_of_ms(row.at_ms),
            command: row.command_id,
            by: said(row.sender),
            state: row.state,
            refused: said(row.refused),
        }
    }
}
