//! `GET /v1/releases` and `GET /v1/releases/{id}`: what may be read of anyone's movements, who asked for it and who
//! released it.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use schemas::{
    PersonKey, ReleaseEvent, VenueId,
    access::Role,
    city::Bilingual,
    events::{Purpose, ReleaseState},
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
    release::Lack,
    store::{ReleaseFilter, ReleaseRow},
};

const ID: &str = "the identity of a release";
/// Most entries of a history.
const MAX_HISTORY: usize = 200;

/// Releases.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReleasesResponse {
    /// As they are now, the last asked for first.
    releases: Vec<Release>,
    /// Whether there are more than the limit let through.
    truncated: bool,
}

/// A release with all that was said of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReleaseResponse {
    #[serde(flatten)]
    release: Release,
    /// What was done about it last, oldest first.
    history: Vec<ReleaseEntry>,
    /// Whether more was done before, which is not listed.
    truncated: bool,
}

/// A release as it is now.
#[derive(Debug, Serialize, ToSchema)]
struct Release {
    /// Its identity.
    release: Uuid,
    /// How far it is: asked, released, declined or withdrawn.
    state: String,
    /// Whether its asker may read by it now: it is released, and has not expired.
    in_force: bool,
    /// District of the office that has the case.
    district: u32,
    /// Number of the case.
    case: String,
    /// What kind of case it is.
    case_kind: String,
    /// What shows the case.
    evidence: String,
    /// What is to be read for.
    purpose: String,
    /// The same in words.
    purpose_name: Option<Bilingual>,
    /// Whose movements; shown until the release's end and for as long after it as the city keeps scans.
    #[schema(value_type = Vec<String>)]
    persons: Vec<PersonKey>,
    /// Whose visitors; shown as long.
    venues: Vec<VenueId>,
    /// First second of what may be read.
    from: DateTime<Utc>,
    /// First second after it.
    to: DateTime<Utc>,
    /// How far contacts may be followed.
    hops: u8,
    /// How many minutes before or after a visit contacts may be looked for, at most.
    window_minutes: u16,
    /// When it was asked for.
    asked_at: DateTime<Utc>,
    /// By which account: nobody else reads by it.
    asked_by: String,
    /// Before its release: from when it can no longer be released. Then: from when nothing is read by it any more.
    expires_at: DateTime<Utc>,
    /// When it was released or declined.
    decided_at: Option<DateTime<Utc>>,
    /// By which account.
    decided_by: Option<String>,
    /// Why it was declined: not_necessary, no_evidence, too_broad or wrong_purpose.
    declined_for: Option<String>,
    /// When it was taken back.
    withdrawn_at: Option<DateTime<Utc>>,
    /// By which account.
    withdrawn_by: Option<String>,
}

/// What was done about a release.
#[derive(Debug, Serialize, ToSchema)]
struct ReleaseEntry {
    /// What it was: ask, release, decline or withdraw.
    action: String,
    /// When.
    at: DateTime<Utc>,
    /// The command's identity, if it was one.
    command: Option<Uuid>,
    /// Which account sent it.
    by: String,
    /// How far the release was after it.
    state: String,
    /// Why it was refused: own_request, already_decided, expired, not_own or too_many_commands.
    refused: Option<String>,
}

/// What became of a release
///
/// It is here within a second or two after the gateway took it. Who asks sees what they asked for, supervisors and
/// auditors see all of their district.
#[utoipa::path(get, path = "/v1/releases/{id}", tag = "releases",
    params(IdOfDistrict),
    responses(
        (status = 200, description = "The release with its history", body = ReleaseResponse),
        (status = 404, description = "`unknown-release`", body = Problem, content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn release(
    State(state): State<AppState>,
    caller: Caller,
    id: Segment,
    fields: Fields,
) -> Result<Json<ReleaseResponse>, QueryError> {
    let (id, _) = district::identity(id, ID, ReleaseEvent::district_of, caller.scope())?;
    fields.finish()?;
    let (rows, truncated) = state.store().release(id, MAX_HISTORY).await?;
    let last = rows.last().ok_or(QueryError::UnknownRelease)?;
    if own_only(&caller).is_some_and(|account| account != last.asked_by) {
        return Err(Lack::OfAnother.into());
    }
    let release = Release::new(last, now_ms(), retention_ms(&state));
    Ok(Json(ReleaseResponse { release, history: rows.into_iter().map(ReleaseEntry::from).collect(), truncated }))
}

/// Releases of a district, as they are now
#[utoipa::path(get, path = "/v1/releases", tag = "releases",
    params(
        ("district" = Option<u32>, Query, minimum = 11, maximum = 829_999, description = "A district of GB/T 2260, or its first digits"),
        ("state" = Option<String>, Query, pattern = "^(asked|released|declined|withdrawn)$", description = "asked (waits for a supervisor), released, declined or withdrawn"),
        ("since" = Option<String>, Query, format = DateTime, description = "Those asked for from this time on"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 10_000, description = "Most of them; 1000 when left out"),
    ),
    responses(
        (status = 200, description = "The releases", body = ReleasesResponse),
        Refusals,
    ))]
pub async fn releases(
    State(state): State<AppState>,
    caller: Caller,
    mut fields: Fields,
) -> Result<Json<ReleasesResponse>, QueryError> {
    const STATE: &str = "one of asked, released, declined, withdrawn";
    let words = ReleaseState::ALL.iter().map(|state| state.as_str());
    let of = district::filter(&mut fields, caller.scope(), STATE, words)?;
    let filter = ReleaseFilter { of, asked_by: own_only(&caller).map(str::to_owned) };
    let limit = fields.number("limit", 1..=MAX_LIMIT, DEFAULT_LIMIT)?;
    fields.finish()?;
    let (rows, truncated) = state.store().releases(&filter, limit as usize).await?;
    let (now_ms, retention_ms) = (now_ms(), retention_ms(&state));
    let releases = rows.iter().map(|row| Release::new(row, now_ms, retention_ms)).collect();
    Ok(Json(ReleasesResponse { releases, truncated }))
}

/// The account whose releases alone are shown; none for who may see all.
fn own_only(caller: &Caller) -> Option<&str> {
    (caller.role() == Role::Epidemiologist).then(|| caller.claims().sub.as_str())
}

/// How long the city keeps scans.
fn retention_ms(state: &AppState) -> i64 {
    i64::from(state.city().retention_days) * 24 * 3600 * 1000
}

impl Release {
    fn new(row: &ReleaseRow, now_ms: i64, retention_ms: i64) -> Self {
        let has_subjects = now_ms < row.expires_at_ms.saturating_add(retention_ms);
        let persons = row.persons.iter().copied().filter(|_| has_subjects);
        Self {
            release: row.release_id,
            state: row.state.clone(),
            in_force: row.state() == Some(ReleaseState::Released) && now_ms < row.expires_at_ms,
            district: row.district,
            case: row.case_number.clone(),
            case_kind: row.case_kind.clone(),
            evidence: row.evidence.clone(),
            purpose: row.purpose.clone(),
            purpose_name: Purpose::of(&row.purpose).map(Purpose::name),
            persons: persons.filter_map(PersonKey::from_u64).collect(),
            venues: row.venues.iter().copied().filter(|_| has_subjects).collect(),
            from: answer::time(row.from_s),
            to: answer::time(row.to_s),
            hops: row.hops,
            window_minutes: row.window_minutes,
            asked_at: answer::time_of_ms(row.asked_at_ms),
            asked_by: row.asked_by.clone(),
            expires_at: answer::time_of_ms(row.expires_at_ms),
            decided_at: row.decided_at_ms.map(answer::time_of_ms),
            decided_by: said(row.decided_by.clone()),
            declined_for: said(row.declined_for.clone()),
            withdrawn_at: row.withdrawn_at_ms.map(answer::time_of_ms),
            withdrawn_by: said(row.withdrawn_by.clone()),
        }
    }
}

impl From<ReleaseRow> for ReleaseEntry {
    fn from(row: ReleaseRow) -> Self {
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
