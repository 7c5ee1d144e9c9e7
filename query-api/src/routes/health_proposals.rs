//! `GET /v1/health-proposals/{id}`: what became of a bulk change of health codes. Whom it is about is shown by nobody here.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::Serialize;
use service::Problem;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    AppState, QueryError,
    answer::{self, said},
    input::{self, Fields, Segment},
    store::HealthProposalRow,
};

const ID: &str = "the identity of a bulk change, a UUID";

/// A bulk change of health codes with all that was said of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthProposalResponse {
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
    /// What was done about it, oldest first.
    history: Vec<HealthProposalEntry>,
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
        (status = 422, description = "A field is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not now", body = Problem, content_type = "application/problem+json"),
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
    Ok(Json(HealthProposalResponse {
        proposal: last.proposal_id,
        state: last.state,
        digest: last.digest,
        changes: last.changes,
        yellow: last.yellow,
        red: last.red,
        made_at: answer::time_of_ms(last.made_at_ms),
        made_by: last.made_by,
        expires_at: answer::time_of_ms(last.expires_at_ms),
        released_at: last.released_at_ms.map(answer::time_of_ms),
        released_by: said(last.released_by),
        history: rows.into_iter().map(HealthProposalEntry::from).collect(),
    }))
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
