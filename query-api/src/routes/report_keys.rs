//! `GET /v1/reports/keys`: what reports are verified with.

use axum::{Json, extract::State};
use serde::Serialize;
use service::access::PublicKey;
use utoipa::ToSchema;

use crate::{AppState, QueryError, input::Fields};

/// A JWKS (RFC 7517).
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportKeys {
    /// Ed25519 keys (RFC 8037), each with its name `kid`.
    #[schema(value_type = Vec<Object>)]
    keys: Vec<PublicKey>,
}

/// The public keys that reports are signed with
///
/// For anybody. Keep them with the reports: after the installation has taken another key, only that one is here.
#[utoipa::path(get, path = "/v1/reports/keys", tag = "erasures",
    responses((status = 200, description = "The keys, as a JWKS", body = ReportKeys)))]
pub async fn keys(State(state): State<AppState>, fields: Fields) -> Result<Json<ReportKeys>, QueryError> {
    fields.finish()?;
    Ok(Json(ReportKeys { keys: vec![state.reports().public()] }))
}
