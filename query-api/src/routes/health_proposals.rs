//! `GET /v1/health-proposals` and `GET /v1/health-proposals/{id}`: what became of bulk changes of health codes. Whom they are
//! about is shown by nobody here.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use schemas::events::ProposalState;
use serde::Serialize;
use service::Problem;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    district,
    visits::{DEFAULT_LIMIT, MAX_LIMIT},
};
use crate::{
    AppState, QueryError,
    answer::{self, said},
    input::{self, Fields, Segment},
    refusals::Refusals,
    store::{HealthProposalRow, ProposalFilter},
};

const ID: &str = "the identity of a bulk change, a UUID";
/// What `state` may ask for besides the states themselves.
const OPEN: &str = "open";

/// Bulk changes of health codes.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthProposalsResponse {
    /// As they are now, the last made first.
    proposals: Vec<HealthProposal>,
    /// Whether there are more than the limit let through.
    truncated: bool,
}

/// A bulk change of health codes with all that was said of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthProposalResponse {
    #[serde(flatten)]
    proposal: HealthProposal,
    /// What was done about it, oldest first.
    history: Vec<HealthProposalEntry>,
}

/// A bulk change of health codes as it is now.
#[derive(Debug, Serialize, ToSchema)]
struct HealthProposal {
    /// Its identity.
    proposal: Uuid,
    /// How far it is: proposed (none of it is in force), released (all of it is) or refused.
    state: String,
    /// BLAKE3 over its changes, in whatever order.
    digest: String,
    /// How many changes there are.
    changes: u32,
    /// How many of them to yellow.
    yellow: u32,
    /// How many of them to red.
    red: u32,
    /// When it was made.
    made_at: DateTime<Utc>,
    /// By which account.
    made_by: String,
    /// From when it can no longer be released.
    expires_at: DateTime<Utc>,
    /// When it was released.
    released_at: Option<DateTime<Utc>>,
    /// By which account.
    released_by: Option<String>,
}

/// What was done about a bulk change.
#[derive(Debug, Serialize, ToSchema)]
struct HealthProposalEntry {
    /// What it was: propose or release.
    action: String,
    /// When.
    at: DateTime<Utc>,
    /// The command's identity, if it was one.
    command: Option<Uuid>,
    /// Which account sent it.
    by: String,
    /// How far the bulk change was after it.
    state: String,
    /// Why it was refused: own_proposal, other_changes, expired, already_released or too_many_waiting.
    refused: Option<String>,
}

/// What became of a bulk change of health codes
///
/// It is here within a second or two after the gateway took it.
#[utoipa::path(get, path = "/v1/health-proposals/{id}", tag = "health",
    params(("id" = Uuid, Path, description = "The bulk change")),
    responses(
        (status = 200, description = "The bulk change with its history", body = HealthProposalResponse),
        (status = 404, description = "`unknown-health-proposal`", body = Problem, content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn health_proposal(
    State(state): State<AppState>,
    id: Segment,
    fields: Fields,
) -> Result<Json<HealthProposalResponse>, QueryError> {
    let id = input::segment(id, "id")?.parse().map_err(|_| input::invalid("id", ID))?;
    fields.finish()?;
    let rows = state.store().health_proposal(id).await?;
    let last = rows.last().ok_or(QueryError::UnknownHealthProposal)?.clone();
    let history = rows.into_iter().map(HealthProposalEntry::from).collect();
    Ok(Json(HealthProposalResponse { proposal: last.into(), history }))
}

/// Bulk changes of health codes, as they are now
///
/// `state=open` lists those that wait for a second account.
#[utoipa::path(get, path = "/v1/health-proposals", tag = "health",
    params(
        ("state" = Option<String>, Query, pattern = "^(proposed|released|refused|open)$", description = "proposed, released, refused; or open: those that can still be released"),
        ("since" = Option<String>, Query, format = DateTime, description = "Those made from this time on"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 10_000, description = "Most of them; 1000 when left out"),
    ),
    responses(
        (status = 200, description = "The bulk changes", body = HealthProposalsResponse),
        Refusals,
    ))]
pub async fn health_proposals(
    State(state): State<AppState>,
    mut fields: Fields,
) -> Result<Json<HealthProposalsResponse>, QueryError> {
    const STATE: &str = "one of proposed, released, refused, open";
    let words = ProposalState::ALL.iter().map(|state| state.as_str()).chain([OPEN]);
    let asked = district::state(&mut fields, STATE, words)?;
    let since_ms = i64::from(fields.time("since")?.unwrap_or_default()) * 1000;
    let limit = fields.number("limit", 1..=MAX_LIMIT, DEFAULT_LIMIT)?;
    fields.finish()?;
    let filter = ProposalFilter { state: asked, since_ms, now_ms: Utc::now().timestamp_millis() };
    let (rows, truncated) = state.store().health_proposals(&filter, limit as usize).await?;
    Ok(Json(HealthProposalsResponse { proposals: rows.into_iter().map(HealthProposal::from).collect(), truncated }))
}

impl From<HealthProposalRow> for HealthProposal {
    fn from(row: HealthProposalRow) -> Self {
        Self {
            proposal: row.proposal_id,
            state: row.state,
            digest: row.digest,
            changes: row.changes,
            yellow: row.yellow,
            red: row.red,
            made_at: answer::time_of_ms(row.made_at_ms),
            made_by: row.made_by,
            expires_at: answer::time_of_ms(row.expires_at_ms),
            released_at: row.released_at_ms.map(answer::time_of_ms),
            released_by: said(row.released_by),
        }
    }
}

impl From<HealthProposalRow> for HealthProposalEntry {
    fn from(row: HealthProposalRow) -> Self {
        Self {
            action: row.action,
            at: answer::time_of_ms(row.at_ms),
            command: row.command_id,
            by: row.sender,
            state: row.state,
            refused: said(row.refused),
        }
    }
}
