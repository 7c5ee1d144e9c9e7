//! `GET /v1/applications` and `GET /v1/applications/{id}`: what became of an application ("my records", S0).

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use schemas::{
    VenueCode, VenueId,
    access::{Limit, Scope},
    events::ApplicationState,
};
use serde::Serialize;
use service::{Caller, Problem, code::CodeSigner};
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
    store::{ApplicationFilter, ApplicationRow},
};

const ORGANISATION: &str = "a credit code, or `me` with a token of an organisation";
const APPLICANT: &str = "`me`, with a token of a person";
const ID: &str = "the identity of an application, a UUID";

/// Applications.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApplicationsResponse {
    /// As they are now, the last changed first.
    applications: Vec<Application>,
    /// Whether there are more than the limit let through.
    truncated: bool,
}

/// An application with all that became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApplicationResponse {
    #[serde(flatten)]
    application: Application,
    /// What was done about it, oldest first.
    history: Vec<Entry>,
}

/// An application as it is now.
#[derive(Debug, Serialize, ToSchema)]
struct Application {
    /// Its identity.
    application: Uuid,
    /// How far it is: submitted, approved, rejected, withdrawn or revoked.
    state: String,
    /// When that was last changed or tried to change.
    changed_at: DateTime<Utc>,
    /// Credit code of the organisation.
    organisation: String,
    /// Its name.
    organisation_name: String,
    /// Its kind.
    organisation_kind: String,
    /// As what the applicant applied.
    applicant_kind: String,
    /// By which way: mobile or portal.
    channel: String,
    /// What the code is for.
    kind: String,
    /// Category, an id of the city profile.
    category: String,
    /// Name of the venue.
    name: String,
    /// District.
    district: u32,
    /// Address.
    address: String,
    /// Door or point.
    door: Option<String>,
    /// Latitude in degrees, WGS 84.
    latitude: Option<f64>,
    /// Longitude in degrees, WGS 84.
    longitude: Option<f64>,
    /// Start of an event.
    starts_at: Option<DateTime<Utc>>,
    /// End of an event.
    ends_at: Option<DateTime<Utc>>,
    /// Number of the venue, once approved.
    venue: Option<VenueId>,
    /// Its code, while approved.
    code: Option<String>,
    /// The code as a URL, for the poster.
    url: Option<String>,
}

/// What was done about an application.
#[derive(Debug, Serialize, ToSchema)]
struct Entry {
    /// The command's identity.
    command: Uuid,
    /// What it asked for: submit, review, withdraw, revoke or reissue.
    action: String,
    /// When it was taken.
    at: DateTime<Utc>,
    /// How far the application was after it.
    state: String,
    /// Why it was not carried out: already_decided, not_in_use, outside_district or serials_used_up.
    refused: Option<String>,
    /// Why the application was rejected: duplicate, quota, vague_address, wrong_data, not_in_this_city, numbers_used_up
    /// or other.
    reason: Option<String>,
    /// What the reviewer said.
    note: Option<String>,
    /// The application that it repeats.
    duplicate_of: Option<Uuid>,
    /// Issue number of the code after it.
    serial: Option<u8>,
}

/// What became of an application
///
/// A command is here within a second or two after the gateway took it; until then an application is not known.
#[utoipa::path(get, path = "/v1/applications/{id}", tag = "applications",
    params(("id" = Uuid, Path, description = "The application")),
    responses(
        (status = 200, description = "The application with its history", body = ApplicationResponse),
        (status = 404, description = "`unknown-application`", body = Problem, content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn application(
    State(state): State<AppState>,
    caller: Caller,
    id: Segment,
    fields: Fields,
) -> Result<Json<ApplicationResponse>, QueryError> {
    let id = input::segment(id, "id")?.parse().map_err(|_| input::invalid("id", ID))?;
    fields.finish()?;
    let rows = state.store().application(id).await?;
    let last = rows.last().ok_or(QueryError::UnknownApplication)?;
    if let Some(limit) = caller.scope().leaves_out(last.venue_id, last.district, Some(&last.organisation)) {
        return Err(QueryError::OutOfScope { field: "id", limit });
    }
    let application = Application::new(last, state.signer());
    Ok(Json(ApplicationResponse { application, history: rows.into_iter().map(Entry::from).collect() }))
}

/// Applications of an organisation, or the one of a venue, as they are now
#[utoipa::path(get, path = "/v1/applications", tag = "applications",
    params(
        ("organisation" = Option<String>, Query, description = "Credit code of an organisation, or `me`: the token's"),
        ("applicant" = Option<String>, Query, pattern = "^me$", description = "`me`: those that the token's person applied for"),
        ("venue" = Option<u32>, Query, description = "A venue"),
        ("district" = Option<u32>, Query, minimum = 11, maximum = 829_999, description = "A district of GB/T 2260, or its first digits"),
        ("state" = Option<ApplicationState>, Query, description = "How far they are"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 10_000, description = "Most of them; 1000 when left out"),
    ),
    responses(
        (status = 200, description = "The applications", body = ApplicationsResponse),
        Refusals,
    ))]
pub async fn applications(
    State(state): State<AppState>,
    caller: Caller,
    mut fields: Fields,
) -> Result<Json<ApplicationsResponse>, QueryError> {
    let filter = filter(&mut fields, caller.scope())?;
    let limit = fields.number("limit", 1..=MAX_LIMIT, DEFAULT_LIMIT)?;
    fields.finish()?;
    let (rows, truncated) = state.store().applications(&filter, limit as usize).await?;
    let applications = rows.iter().map(|row| Application::new(row, state.signer())).collect();
    Ok(Json(ApplicationsResponse { applications, truncated }))
}

/// What is asked for, within what the token is limited to.
fn filter(fields: &mut Fields, scope: &Scope) -> Result<ApplicationFilter, QueryError> {
    const STATE: &str = "one of submitted, approved, rejected, withdrawn, revoked";
    let mut filter = ApplicationFilter::default();
    filter.organisation = match (fields.text("organisation", ORGANISATION)?, &scope.organisation) {
        (None, own) => own.clone(),
        (Some(word), own) if word == "me" => {
            Some(own.clone().ok_or_else(|| input::invalid("organisation", ORGANISATION))?)
        }
        (Some(code), Some(own)) if code != *own => {
            return Err(QueryError::OutOfScope { field: "organisation", limit: Limit::Organisation });
        }
        (code, _) => code,
    };
    filter.applicant = match fields.text("applicant", APPLICANT)? {
        None => None,
        Some(word) if word == "me" => Some(scope.person.ok_or_else(|| input::invalid("applicant", APPLICANT))?),
        Some(_) => return Err(input::invalid("applicant", APPLICANT)),
    };
    filter.venue = Some(fields.number("venue", 0..=u32::MAX, 0)?).filter(|venue| *venue > 0);
    filter.district = district::area(fields, scope)?;
    filter.state = district::state(fields, STATE, ApplicationState::ALL.iter().map(|state| state.as_str()))?;
    Ok(filter)
}

impl Application {
    fn new(row: &ApplicationRow, signer: &CodeSigner) -> Self {
        let in_use = row.state == ApplicationState::Approved.as_str();
        let code = in_use.then_some(VenueCode { venue: row.venue_id, serial: row.serial });
        Self {
            application: row.application_id,
            state: row.state.clone(),
            changed_at: answer::time_of_ms(row.at_ms),
            organisation: row.organisation.clone(),
            organisation_name: row.organisation_name.clone(),
            organisation_kind: row.organisation_kind.clone(),
            applicant_kind: row.applicant_kind.clone(),
            channel: row.channel.clone(),
            kind: row.kind.clone(),
            category: row.category.clone(),
            name: row.name.clone(),
            district: row.district,
            address: row.address.clone(),
            door: said(row.door.clone()),
            latitude: row.latitude,
            longitude: row.longitude,
            starts_at: row.starts_at.map(|seconds| answer::time_of_ms(seconds * 1000)),
            ends_at: row.ends_at.map(|seconds| answer::time_of_ms(seconds * 1000)),
            venue: (row.venue_id > 0).then_some(row.venue_id),
            code: code.map(|code| code.sign(&signer.keys).to_string()),
            url: code.map(|code| signer.url(code)),
        }
    }
}

impl From<ApplicationRow> for Entry {
    fn from(row: ApplicationRow) -> Self {
        Self {
            command: row.command_id,
            action: row.action,
            at: answer::time_of_ms(row.at_ms),
            state: row.state,
            refused: said(row.refused),
            reason: said(row.reason),
            note: said(row.note),
            duplicate_of: row.duplicate_of,
            serial: (row.venue_id > 0).then_some(row.serial),
        }
    }
}
