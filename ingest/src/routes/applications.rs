//! `POST /v1/applications` and what follows on one: written down here, decided by the registry.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use schemas::{
    ApplicationEvent,
    access::Limit,
    events::{ApplicationAction, Rejection, VERSION},
    organisation::is_credit_code,
};
use serde::Deserialize;
use service::{Caller, http::Segment};
use utoipa::ToSchema;
use uuid::Uuid;

use super::commands::{self, Command, CommandAnswer, REQUEST_ID};
use crate::{
    application::ApplicationRequest,
    error::IngestError,
    fields::{Field, Object, Text, one_of, read, segment},
    note::{self, NOTE},
    refusals::ObjectRefusals,
    state::{Gateway, now_ms},
    venue_fields::ORGANISATION,
};

/// What a reviewer may reject for; the registry's own reasons are not among them.
const REASONS: [Rejection; 5] =
    [Rejection::VagueAddress, Rejection::WrongData, Rejection::NotInThisCity, Rejection::Duplicate, Rejection::Other];

/// A command about something that is there.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandRequest<'a> {
    /// Identity of the command: sent again with the same one, it is still one.
    #[serde(default)]
    pub request_id: Option<Uuid>,
    /// Unified social credit code (GB 32100) of the organisation that it is about.
    #[serde(borrow)]
    #[schema(value_type = String)]
    pub organisation: Text<'a>,
}

impl<'a> Object<'a> for CommandRequest<'a> {
    const FIELDS: &'static [Field] = &[REQUEST_ID, OF_ORGANISATION];
}

const OF_ORGANISATION: Field = Field::required::<String>("organisation", || ORGANISATION.to_owned());

/// The outcome of a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    /// It gets a code.
    Approve,
    /// It gets none.
    Reject,
}

/// A review of an application.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewRequest<'a> {
    /// Identity of the review: sent again with the same one, it is still one.
    #[serde(default)]
    request_id: Option<Uuid>,
    /// Unified social credit code (GB 32100) of the organisation that applies.
    #[serde(borrow)]
    #[schema(value_type = String)]
    organisation: Text<'a>,
    /// Whether it gets a code.
    outcome: Outcome,
    /// Why it gets none; only with `reject`: vague_address, wrong_data, not_in_this_city, duplicate or other.
    #[serde(default)]
    reason: Option<Rejection>,
    /// What to mend, up to 500 characters, without the name of a person; must be there with the reason `other`.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    note: Option<Text<'a>>,
}

impl<'a> Object<'a> for ReviewRequest<'a> {
    const FIELDS: &'static [Field] = &[
        REQUEST_ID,
        OF_ORGANISATION,
        Field::required::<Outcome>("outcome", || one_of(["approve", "reject"])),
        Field::optional::<Option<Rejection>>("reason", reasons),
        NOTE,
    ];
}

fn reasons() -> String {
    one_of(REASONS.iter().map(|reason| reason.as_str()))
}

impl ReviewRequest<'_> {
    fn check(&self, application: Uuid) -> Result<ApplicationAction, IngestError> {
        let rejected = match (self.outcome, self.reason) {
            (Outcome::Approve, None) => None,
            (Outcome::Approve, Some(_)) => {
                return Err(IngestError::invalid("reason", "expected only with the outcome `reject`"));
            }
            (Outcome::Reject, Some(reason)) if REASONS.contains(&reason) => Some(reason),
            (Outcome::Reject, Some(_)) => return Err(IngestError::invalid("reason", reasons())),
            (Outcome::Reject, None) => return Err(IngestError::missing("reason", reasons())),
        };
        let note = note::plain(self.note.as_ref())?;
        if note.is_none() && rejected == Some(Rejection::Other) {
            return Err(IngestError::missing("note", "expected with the reason `other`"));
        }
        Ok(ApplicationAction::Review { application, rejected, note, within: None })
    }
}

/// Applies for a venue code
///
/// The answer means that the application is kept. Whether it is within the quota, repeats another one, and what the
/// review says, can be followed on the query API. Sent again with the same `request_id`, it is still one.
#[utoipa::path(post, path = "/v1/applications", tag = "applications",
    request_body(content = ApplicationRequest<'static>, content_type = "application/json"),
    responses(
        (status = 202, description = "Kept, to be decided", body = CommandAnswer),
        ObjectRefusals,
    ))]
pub async fn submit(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    request: Request,
) -> Result<Response, IngestError> {
    take(&gateway, &caller, request, |body| {
        let event = read::<ApplicationRequest<'_>>(body)?.check(caller.claims(), &gateway.city, &*gateway, now_ms())?;
        let follow = follow_application(event.command);
        Ok((event, follow))
    })
    .await
}

/// Reviews an application
///
/// What is approved has a code within a second or two. An application is reviewed once: a further review changes
/// nothing, and is noted as refused.
#[utoipa::path(post, path = "/v1/applications/{id}/reviews", tag = "applications",
    params(("id" = Uuid, Path, description = "The application")),
    request_body(content = ReviewRequest<'static>, content_type = "application/json"),
    responses(
        (status = 202, description = "Kept, to be decided", body = CommandAnswer),
        ObjectRefusals,
    ))]
pub async fn review(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    id: Segment,
    request: Request,
) -> Result<Response, IngestError> {
    take(&gateway, &caller, request, |body| {
        let application = application_id(id)?;
        let review = read::<ReviewRequest<'_>>(body)?;
        let action = review.check(application)?;
        Ok((event(&review.organisation, review.request_id, action)?, follow_application(application)))
    })
    .await
}

/// Takes an application back that is not decided yet
#[utoipa::path(post, path = "/v1/applications/{id}/withdrawal", tag = "applications",
    params(("id" = Uuid, Path, description = "The application")),
    request_body(content = CommandRequest<'static>, content_type = "application/json"),
    responses(
        (status = 202, description = "Kept, to be decided", body = CommandAnswer),
        ObjectRefusals,
    ))]
pub async fn withdraw(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    id: Segment,
    request: Request,
) -> Result<Response, IngestError> {
    take(&gateway, &caller, request, |body| {
        let application = application_id(id)?;
        let command = read::<CommandRequest<'_>>(body)?;
        let action = ApplicationAction::Withdraw { application };
        Ok((event(&command.organisation, command.request_id, action)?, follow_application(application)))
    })
    .await
}

/// Reads a command about venue codes, keeps it, and says where it can be followed.
///
/// # Errors
/// When it cannot be read, is not for whoever sends it, or Kafka does not take it.
pub async fn take(
    gateway: &Gateway,
    caller: &Caller,
    request: Request,
    read: impl FnOnce(&[u8]) -> Result<(ApplicationEvent, String), IngestError>,
) -> Result<Response, IngestError> {
    commands::take(gateway, caller, request, &gateway.topics.applications, |body| {
        let (event, follow) = read(body)?;
        let event = event.limited(caller.scope()).map_err(out_of)?;
        Ok(Command { key: event.organisation.clone(), answer: CommandAnswer { command: event.command, follow }, event })
    })
    .await
}

/// The command of an action on what an organisation has.
///
/// # Errors
/// When the organisation's code cannot be.
pub fn event(
    organisation: &str,
    request: Option<Uuid>,
    action: ApplicationAction,
) -> Result<ApplicationEvent, IngestError> {
    if !is_credit_code(organisation) {
        return Err(IngestError::invalid("organisation", ORGANISATION));
    }
    let command = request.unwrap_or_else(Uuid::now_v7);
    Ok(ApplicationEvent { v: VERSION, command, organisation: organisation.to_owned(), at_ms: now_ms(), action })
}

fn out_of(limit: Limit) -> IngestError {
    let field = match limit {
        Limit::Organisation => "organisation",
        Limit::District => "district",
        Limit::Venues => "venue",
        Limit::Person => "applicant",
    };
    IngestError::OutOfScope { field, limit }
}

fn application_id(id: Segment) -> Result<Uuid, IngestError> {
    segment(id, "id")?.parse().map_err(|_| IngestError::invalid("id", "expected an application's identity, a UUID"))
}

fn follow_application(application: Uuid) -> String {
    format!("/v1/applications/{application}")
}
