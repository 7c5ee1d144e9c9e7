//! `GET /v1/persons/{person}/reads`: who read a person's movements, health or identity, when and why, for that person.
//!
//! The office is named, by role and district, and not the account: an investigator answers to the office, and whoever was
//! traced should not be able to find the one who did it. An auditor finds the account in the log.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use schemas::{
    PersonKey,
    city::Bilingual,
    events::{CaseKind, Purpose},
};
use serde::Serialize;
use service::Caller;
use utoipa::ToSchema;

use super::{
    health_changes, identity,
    visits::{DEFAULT_LIMIT, MAX_LIMIT},
};
use crate::{
    AppState, QueryError, answer,
    input::{Fields, Segment},
    permit::own_person,
    refusals::Refusals,
    store::ReadRow,
};

/// Who read a person's movements, health or identity.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReadsResponse {
    /// Who.
    #[schema(value_type = String, pattern = "^[1-9a-f][0-9a-f]{15}$")]
    person: PersonKey,
    /// The newest first.
    reads: Vec<ReadAnswer>,
    /// Whether there are more than the limit let through.
    truncated: bool,
}

/// A read of a person's movements, health or identity.
#[derive(Debug, Serialize, ToSchema)]
struct ReadAnswer {
    /// When.
    at: DateTime<Utc>,
    /// Role of who read.
    role: String,
    /// District of the office, a six-digit code of GB/T 2260; null when the person looked.
    district: Option<u32>,
    /// What was read: `movements`, `health_changes`, or `identity`: who the person is.
    record: &'static str,
    /// `own` when this person was asked for, `met` when somebody else or some place was, and this person was there.
    about: &'static str,
    /// What for.
    purpose: String,
    /// The same in words.
    purpose_name: Option<Bilingual>,
    /// In what kind of case; null when the person looked.
    case_kind: Option<String>,
    /// The same in words.
    case_kind_name: Option<Bilingual>,
}

/// Who read a person's movements, health or identity, when and why
///
/// For the person alone. Account and case are not shown.
#[utoipa::path(get, path = "/v1/persons/{person}/reads", tag = "releases",
    params(
        ("person" = String, Path, description = "Person key", pattern = "^[1-9a-f][0-9a-f]{15}$"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 10_000, description = "Most of them; 1000 when left out"),
    ),
    responses(
        (status = 200, description = "The reads", body = ReadsResponse),
        Refusals,
    ))]
pub async fn reads(
    State(state): State<AppState>,
    caller: Caller,
    person: Segment,
    mut fields: Fields,
) -> Result<Json<ReadsResponse>, QueryError> {
    let person = own_person(person, &caller)?;
    let limit = fields.number("limit", 1..=MAX_LIMIT, DEFAULT_LIMIT)?;
    fields.finish()?;
    let (rows, truncated) = state.store().reads(person, limit as usize).await?;
    Ok(Json(ReadsResponse { person, reads: rows.into_iter().map(ReadAnswer::from).collect(), truncated }))
}

impl From<ReadRow> for ReadAnswer {
    fn from(row: ReadRow) -> Self {
        Self {
            at: answer::time_of_ms(row.at_ms),
            role: row.role,
            district: Some(row.district).filter(|district| *district > 0),
            record: match row.route.as_str() {
                health_changes::ROUTE => "health_changes",
                identity::ROUTE => "identity",
                _ => "movements",
            },
            about: if row.own { "own" } else { "met" },
            purpose_name: purpose_name(&row.purpose),
            purpose: row.purpose,
            case_kind_name: CaseKind::of(&row.case_kind).map(CaseKind::name),
            case_kind: answer::said(row.case_kind),
        }
    }
}

/// A purpose in words; none for one that this build does not know.
fn purpose_name(purpose: &str) -> Option<Bilingual> {
    if purpose == ReadRow::OWN_RECORD {
        return Some(Bilingual { zh: "查阅本人记录".to_owned(), en: "Looking at one's own record".to_owned() });
    }
    Purpose::of(purpose).map(Purpose::name)
}
