//! `POST /v1/reminders`, `/v1/reminders/{id}/answer` and `/v1/reminders/{id}/settle`: written down here; what becomes of a
//! reminder the processor's fold of them says (S4 三.1).

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use schemas::{
    ReminderEvent,
    access::Limit,
    events::{ReminderAction, VERSION},
};
use service::{Caller, Problem, http::Segment, openapi::IdOfDistrict};
use uuid::Uuid;

use super::{
    commands::{self, Command, CommandAnswer},
    district,
};
use crate::{
    error::IngestError,
    fields::read,
    refusals::ObjectRefusals,
    reminder::{Owned, ReminderAnswerRequest, ReminderRequest, SettlementRequest},
    scope::{check_district, check_venue},
    state::{Gateway, now_ms},
};

/// Reminds an organisation of what is to be mended about its venue codes
///
/// That it has none, that nobody scans one, or that one is not put up or not looked after. While a reminder of the same is
/// open in the district a further one is not sent, and is noted as refused. What nobody has settled by its day is escalated.
/// Sent again with the same `request_id`, it is still one.
#[utoipa::path(post, path = "/v1/reminders", tag = "reminders",
    request_body(content = ReminderRequest<'static>, content_type = "application/json"),
    responses(
        (status = 202, description = "Kept, to be decided; `command` is the reminder", body = CommandAnswer),
        (status = 404, description = "`unknown-venue`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`revoked-code`: the venue is closed", body = Problem, content_type = "application/problem+json"),
        ObjectRefusals,
    ))]
pub async fn send(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    request: Request,
) -> Result<Response, IngestError> {
    commands::take(&gateway, &caller, request, &gateway.topics.reminders, |body| {
        let look_up = |id| {
            gateway.tables.with_venue(id, |venue| {
                check_venue(caller.scope(), id, venue, "venue")?;
                let venue = venue.ok_or(IngestError::UnknownVenue { field: "venue" })?;
                if !venue.active {
                    return Err(IngestError::RevokedCode { field: "venue" });
                }
                Ok(Owned { district: venue.district, organisation: venue.organisation().map(str::to_owned) })
            })
        };
        let reminder = read::<ReminderRequest<'_>>(body)?;
        let event = reminder.check(caller.claims(), &gateway.city.profile, look_up, now_ms())?;
        let reminder = event.reminder().ok_or(IngestError::Internal)?;
        Ok(command(event, reminder, reminder))
    })
    .await
}

/// Says what an organisation does about a reminder
///
/// The last answer holds until the reminder is settled; then a further one changes nothing, and is noted as refused. The
/// answer here is the same whether there is such a reminder, or it is another organisation's: that the query API knows none
/// is told there.
#[utoipa::path(post, path = "/v1/reminders/{id}/answer", tag = "reminders",
    params(IdOfDistrict),
    request_body(content = ReminderAnswerRequest<'static>, content_type = "application/json"),
    responses(
        (status = 202, description = "Kept, to be decided", body = CommandAnswer),
        ObjectRefusals,
    ))]
pub async fn answer(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    id: Segment,
    request: Request,
) -> Result<Response, IngestError> {
    take(&gateway, &caller, id, request, |reminder, body| {
        let none = IngestError::OutOfScope { field: "id", limit: Limit::Organisation };
        let organisation = caller.scope().organisation.clone().ok_or(none)?;
        read::<ReminderAnswerRequest<'_>>(body)?.check(reminder, (caller.claims().sub.clone(), organisation))
    })
    .await
}

/// Says what came of a reminder
///
/// Once, whether it was answered or is past its day: a further one changes nothing, and is noted as refused. Then the
/// organisation may be reminded of the same again, and the next reminder says how often it was.
#[utoipa::path(post, path = "/v1/reminders/{id}/settle", tag = "reminders",
    params(IdOfDistrict),
    request_body(content = SettlementRequest<'static>, content_type = "application/json"),
    responses(
        (status = 202, description = "Kept, to be decided", body = CommandAnswer),
        ObjectRefusals,
    ))]
pub async fn settle(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    id: Segment,
    request: Request,
) -> Result<Response, IngestError> {
    take(&gateway, &caller, id, request, |reminder, body| {
        read::<SettlementRequest<'_>>(body)?.check(reminder, caller.claims().sub.clone())
    })
    .await
}

async fn take(
    gateway: &Gateway,
    caller: &Caller,
    id: Segment,
    request: Request,
    read: impl FnOnce(Uuid, &[u8]) -> Result<(Uuid, ReminderAction), IngestError>,
) -> Result<Response, IngestError> {
    commands::take(gateway, caller, request, &gateway.topics.reminders, |body| {
        let (reminder, district) =
            district::identity(id, "expected a reminder's identity", ReminderEvent::district_of)?;
        check_district(caller.scope(), district, "id")?;
        let (id, action) = read(reminder, body)?;
        Ok(command(ReminderEvent { v: VERSION, district, at_ms: now_ms(), action }, id, reminder))
    })
    .await
}

fn command(event: ReminderEvent, command: Uuid, reminder: Uuid) -> Command<ReminderEvent> {
    let answer = CommandAnswer::new(command, "/v1/reminders", reminder);
    Command { key: event.district.to_string(), event, answer }
}
