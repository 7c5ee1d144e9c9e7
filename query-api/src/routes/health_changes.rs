//! `GET /v1/persons/{person}/health-changes`: who set a person's colour, when and why. Only the person is shown it.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use schemas::{Colour, PersonKey};
use serde::Serialize;
use service::Caller;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    AppState, QueryError,
    answer::{self, said},
    input::{Fields, Segment},
    permit::{own_person, permit_own},
    refusals::Refusals,
    store::HealthChangeRow,
};

/// Its name in the audit log.
pub(super) const ROUTE: &str = "GET /v1/persons/{person}/health-changes";
/// Most changes in an answer.
const MAX_LIMIT: u32 = 1_000;
/// Changes in an answer when the request does not say.
const DEFAULT_LIMIT: u32 = 100;

/// The changes of a person's colour.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthChangesResponse {
    /// Who.
    #[schema(value_type = String, pattern = "^[1-9a-f][0-9a-f]{15}$")]
    person: PersonKey,
    /// Changes, the newest first: of two with the same start the graver colour comes first, since that one counts.
    changes: Vec<HealthChange>,
    /// Whether there are more than the limit let through.
    truncated: bool,
}

/// A change of a colour with where it comes from.
#[derive(Debug, Serialize, ToSchema)]
struct HealthChange {
    /// The colour.
    colour: Colour,
    /// From when it is in force.
    since: DateTime<Utc>,
    /// Until when; null when it holds until the next change.
    expires_at: Option<DateTime<Utc>>,
    /// Which authority decided.
    issuer: String,
    /// Number of the evidence that it rests on.
    evidence: String,
    /// Why, as the authority words it.
    reason: String,
    /// Which account sent it; null when that is not known.
    sent_by: Option<String>,
    /// Which other account released it; null when it was no bulk change.
    released_by: Option<String>,
    /// The bulk change that it was part of.
    proposal: Option<Uuid>,
}

/// Who set a person's colour, when and why
///
/// With the token of the person, and with no other: it is health data, and shows which accounts and offices were at work.
/// A change is here within a second or two after it was sent or released. That it was looked at is in the audit log before
/// the answer leaves, and in `/v1/persons/{person}/reads`.
#[utoipa::path(get, path = "/v1/persons/{person}/health-changes", tag = "health",
    params(
        ("person" = String, Path, description = "Person key, the token's own", pattern = "^[1-9a-f][0-9a-f]{15}$"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1_000, description = "Most of them; 100 when left out"),
    ),
    responses(
        (status = 200, description = "The changes; none of a person who has no colour", body = HealthChangesResponse),
        Refusals,
    ))]
pub async fn health_changes(
    State(state): State<AppState>,
    caller: Caller,
    person: Segment,
    mut fields: Fields,
) -> Result<Json<HealthChangesResponse>, QueryError> {
    let person = own_person(person, &caller)?;
    let limit = fields.number("limit", 1..=MAX_LIMIT, DEFAULT_LIMIT)?;
    fields.finish()?;
    let permit = permit_own(&state, &caller, ROUTE, person)?;
    let (rows, truncated) = state.store().health_changes(person, limit as usize).await?;
    permit.write_down(&state, [], rows.len()).await?;
    Ok(Json(HealthChangesResponse { person, changes: rows.into_iter().map(HealthChange::from).collect(), truncated }))
}

impl From<HealthChangeRow> for HealthChange {
    fn from(row: HealthChangeRow) -> Self {
        Self {
            colour: row.colour,
            since: answer::time(row.since),
            expires_at: (row.expires_at > 0).then(|| answer::time(row.expires_at)),
            issuer: row.issuer,
            evidence: row.evidence,
            reason: row.reason,
            sent_by: said(row.sent_by),
            released_by: said(row.released_by),
            proposal: Some(row.proposal_id).filter(|proposal| !proposal.is_nil()),
        }
    }
}
