//! `GET /v1/erasures`, `GET /v1/erasures/{id}` and its signed report: who had whom erased and why, and what became of it.

use axum::{
    Json,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use schemas::{
    ErasureEvent,
    city::Bilingual,
    events::{ErasureBasis, ErasureState},
};
use serde::Serialize;
use service::{Caller, Problem, clock::now_ms, openapi::IdOfDistrict};
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
    store::ErasureRow,
};

const ID: &str = "the identity of an erasure";
/// Most entries of a history.
const MAX_HISTORY: usize = 200;
/// The media type of a compact JWS (RFC 7515).
const JOSE: &str = "application/jose";

/// Erasures.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErasuresResponse {
    /// As they are now, the last asked for first.
    erasures: Vec<Erasure>,
    /// Whether there are more than the limit let through.
    truncated: bool,
}

/// An erasure with all that was said of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErasureResponse {
    #[serde(flatten)]
    erasure: Erasure,
    /// What was done about it last, oldest first.
    history: Vec<ErasureEntry>,
    /// Whether more was done before, which is not listed.
    truncated: bool,
}

/// An erasure as it is now. Whom it is of it does not say.
#[derive(Debug, Serialize, ToSchema)]
struct Erasure {
    /// Its identity.
    erasure: Uuid,
    /// How far it is: asked, confirmed (is being carried out), declined, lapsed or done.
    state: String,
    /// District of the office that asked.
    district: u32,
    /// Digest of the person key: whoever knows the key can tell whether it is the one.
    digest: String,
    /// On what basis: purpose_achieved, consent_withdrawn, unlawful or ordered.
    basis: String,
    /// The same in words.
    basis_name: Option<Bilingual>,
    /// What shows it.
    evidence: String,
    /// When it was asked for.
    asked_at: DateTime<Utc>,
    /// By which account.
    asked_by: String,
    /// From when it can no longer be confirmed.
    expires_at: DateTime<Utc>,
    /// When it was confirmed.
    confirmed_at: Option<DateTime<Utc>>,
    /// By which other account.
    confirmed_by: Option<String>,
    /// When it was declined.
    declined_at: Option<DateTime<Utc>>,
    /// By which account.
    declined_by: Option<String>,
    /// Why.
    declined_for: Option<String>,
    /// What was made or accepted before is erased, and does not come back.
    erased_before: Option<DateTime<Utc>>,
    /// When it was carried out.
    done_at: Option<DateTime<Utc>>,
    /// What was removed from tables.
    removed: Vec<ErasedRows>,
    /// Where bytes may still be that no service reaches.
    remains: Vec<RemainingBytes>,
}

/// What was removed from a table.
#[derive(Debug, Serialize, ToSchema)]
struct ErasedRows {
    /// The table.
    table: String,
    /// How many rows.
    rows: u64,
}

/// Where bytes may still be.
#[derive(Debug, Serialize, ToSchema)]
struct RemainingBytes {
    /// The topic.
    topic: String,
    /// Until when at most; null when no end is known.
    until: Option<DateTime<Utc>>,
}

/// What was done about an erasure.
#[derive(Debug, Serialize, ToSchema)]
struct ErasureEntry {
    /// What it was: ask, confirm, decline, lapse, erase or done.
    action: String,
    /// When.
    at: DateTime<Utc>,
    /// Identity of the command; null for what the owner of the log wrote.
    command: Option<Uuid>,
    /// By which account; null for what the owner of the log wrote.
    by: Option<String>,
    /// How far the erasure was then.
    state: String,
    /// Why it was refused: own_request, other_person, already_decided, expired or too_many_commands; null when it counts.
    refused: Option<String>,
}

/// An erasure, and all that was done about it
///
/// What was sent within the last second may not be in it yet.
#[utoipa::path(get, path = "/v1/erasures/{id}", tag = "erasures",
    params(IdOfDistrict),
    responses(
        (status = 200, description = "The erasure", body = ErasureResponse),
        (status = 404, description = "There is no such erasure", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "No identity of an erasure", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not now", body = Problem, content_type = "application/problem+json"),
    ))]
pub async fn erasure(
    State(state): State<AppState>,
    caller: Caller,
    id: Segment,
    fields: Fields,
) -> Result<Json<ErasureResponse>, QueryError> {
    let (id, _) = district::identity(id, ID, ErasureEvent::district_of, caller.scope())?;
    fields.finish()?;
    let (rows, truncated) = state.store().erasure(id, MAX_HISTORY).await?;
    let erasure = Erasure::from(rows.last().ok_or(QueryError::UnknownErasure)?);
    Ok(Json(ErasureResponse { erasure, history: rows.into_iter().map(ErasureEntry::from).collect(), truncated }))
}

/// Erasures of a district, as they are now
#[utoipa::path(get, path = "/v1/erasures", tag = "erasures",
    params(
        ("district" = Option<u32>, Query, minimum = 11, maximum = 829_999, description = "A district of GB/T 2260, or its first digits"),
        ("state" = Option<String>, Query, pattern = "^(asked|confirmed|declined|lapsed|done)$", description = "asked (waits for another account), confirmed (is being carried out), declined, lapsed or done"),
        ("since" = Option<String>, Query, format = DateTime, description = "Those asked for from this time on"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 10_000, description = "Most of them; 1000 when left out"),
    ),
    responses(
        (status = 200, description = "The erasures", body = ErasuresResponse),
        Refusals,
    ))]
pub async fn erasures(
    State(state): State<AppState>,
    caller: Caller,
    mut fields: Fields,
) -> Result<Json<ErasuresResponse>, QueryError> {
    const STATE: &str = "one of asked, confirmed, declined, lapsed, done";
    let words = ErasureState::ALL.iter().map(|state| state.as_str());
    let filter = district::filter(&mut fields, caller.scope(), STATE, words)?;
    let limit = fields.number("limit", 1..=MAX_LIMIT, DEFAULT_LIMIT)?;
    fields.finish()?;
    let (rows, truncated) = state.store().erasures(&filter, limit as usize).await?;
    Ok(Json(ErasuresResponse { erasures: rows.iter().map(Erasure::from).collect(), truncated }))
}

/// The signed report about an erasure that was carried out
///
/// A compact JWS of type `erasure-report+jwt`, with EdDSA by one of the keys of `/v1/reports/keys`. Its claims are the
/// erasure's digest, basis, evidence and times (in seconds since 1970), what was removed from which table (`removed`),
/// on which topics bytes may still be and until when (`remains`), under which condition (`provided`), where else they may be
/// (`elsewhere`), and what is kept and why (`kept`). It names no account. It is signed anew each time.
#[utoipa::path(get, path = "/v1/erasures/{id}/report", tag = "erasures",
    params(IdOfDistrict),
    responses(
        (status = 200, description = "The report", body = String, content_type = "application/jose"),
        (status = 404, description = "There is no such erasure", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It was not carried out yet", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "No identity of an erasure", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not now", body = Problem, content_type = "application/problem+json"),
    ))]
pub async fn report(
    State(state): State<AppState>,
    caller: Caller,
    id: Segment,
    fields: Fields,
) -> Result<Response, QueryError> {
    let (id, _) = district::identity(id, ID, ErasureEvent::district_of, caller.scope())?;
    fields.finish()?;
    let (rows, _) = state.store().erasure(id, 1).await?;
    let report = state.reports().sign(rows.last().ok_or(QueryError::UnknownErasure)?, now_ms() / 1000)?;
    Ok(([(CONTENT_TYPE, JOSE)], report).into_response())
}

impl From<&ErasureRow> for Erasure {
    fn from(row: &ErasureRow) -> Self {
        let time = |at_ms: Option<i64>| at_ms.map(answer::time_of_ms);
        let text = |text: &String| said(text.clone());
        let removed = row.removed_tables.iter().zip(&row.removed_rows);
        let remains = row.remains_topics.iter().zip(&row.remains_until_ms);
        Self {
            erasure: row.erasure_id,
            state: row.state.clone(),
            district: row.district,
            digest: row.digest.clone(),
            basis: row.basis.clone(),
            basis_name: ErasureBasis::of(&row.basis).map(ErasureBasis::name),
            evidence: row.evidence.clone(),
            asked_at: answer::time_of_ms(row.asked_at_ms),
            asked_by: row.asked_by.clone(),
            expires_at: answer::time_of_ms(row.expires_at_ms),
            confirmed_at: time(row.confirmed_at_ms),
            confirmed_by: text(&row.confirmed_by),
            declined_at: time(row.declined_at_ms),
            declined_by: text(&row.declined_by),
            declined_for: text(&row.declined_for),
            erased_before: time(row.erased_before_ms),
            done_at: time(row.done_at_ms),
            removed: removed.map(|(table, rows)| ErasedRows { table: table.clone(), rows: *rows }).collect(),
            remains: remains
                .map(|(topic, until_ms)| RemainingBytes {
                    topic: topic.clone(),
                    until: time(Some(*until_ms).filter(|until_ms| *until_ms > 0)),
                })
                .collect(),
        }
    }
}

impl From<ErasureRow> for ErasureEntry {
    fn from(row: ErasureRow) -> Self {
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
