//! `POST /v1/erasures` and `/v1/erasures/{id}/decision`: written down here; the processor's fold of them decides, and
//! carries out what was confirmed.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use schemas::{
    ErasureEvent,
    access::{Limit, covers, is_city_wide},
    events::VERSION,
};
use service::{Caller, http::Segment, openapi::IdOfDistrict};
use uuid::Uuid;

use super::commands::{self, Command, CommandAnswer};
use crate::{
    erasure::{ErasureDecisionRequest, ErasureRequest},
    error::IngestError,
    fields::{read, segment},
    refusals::ObjectRefusals,
    state::{Gateway, now_ms},
};

/// Asks for everything that is kept of a person to be erased
///
/// Nothing goes before a supervisor with another account has confirmed it, within 72 hours. Sent again with the same
/// `request_id`, it is still one.
#[utoipa::path(post, path = "/v1/erasures", tag = "erasures",
    request_body(content = ErasureRequest<'static>, content_type = "application/json"),
    responses(
        (status = 202, description = "Kept, to be decided; `command` is the erasure", body = CommandAnswer),
        ObjectRefusals,
    ))]
pub async fn ask(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    request: Request,
) -> Result<Response, IngestError> {
    commands::take(&gateway, &caller, request, &gateway.topics.erasures, |body| {
        let asked = read::<ErasureRequest<'_>>(body)?;
        let event = asked.check(caller.claims(), gateway.city.keys(&*gateway), now_ms())?;
        let (key, answer) = (event.key(), answer(event.erasure, event.erasure));
        Ok(Command { key, event, answer })
    })
    .await
}

/// Confirms that a person is erased, or declines it
///
/// Once, and never by the account that asked: anything further changes nothing, and is noted as refused. Whoever confirms
/// says whom, by key or document, as the evidence has it: when it was asked for another person, that is refused as well
/// (`other_person`). What is confirmed cannot be undone: what was made or accepted of the person before goes from tables, topics and registrations, and does
/// not come back when anything is read again. Whether a release that is in force still needs it is for whoever confirms to
/// look at. What a whole city's or province's office asks for (its district ends in 00) is decided with a token that has no
/// limit.
#[utoipa::path(post, path = "/v1/erasures/{id}/decision", tag = "erasures",
    params(IdOfDistrict),
    request_body(content = ErasureDecisionRequest<'static>, content_type = "application/json"),
    responses(
        (status = 202, description = "Kept, to be decided", body = CommandAnswer),
        ObjectRefusals,
    ))]
pub async fn decide(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    id: Segment,
    request: Request,
) -> Result<Response, IngestError> {
    commands::take(&gateway, &caller, request, &gateway.topics.erasures, |body| {
        let known = segment(id, "id")?.parse().ok().and_then(|id| Some((id, ErasureEvent::district_of(id)?)));
        let (erasure, district) = known.ok_or_else(|| IngestError::invalid("id", "expected an erasure's identity"))?;
        let may = |own| covers(own, district) && !is_city_wide(district);
        if caller.scope().district.is_some_and(|own| !may(own)) {
            return Err(IngestError::OutOfScope { field: "id", limit: Limit::District });
        }
        let decided = read::<ErasureDecisionRequest<'_>>(body)?;
        let (command, action) = decided.check(caller.claims(), gateway.city.keys(&*gateway))?;
        let event = ErasureEvent { v: VERSION, erasure, at_ms: now_ms(), action };
        Ok(Command { key: event.key(), event, answer: answer(command, erasure) })
    })
    .await
}

fn answer(command: Uuid, erasure: Uuid) -> CommandAnswer {
    CommandAnswer { command, follow: format!("/v1/erasures/{erasure}") }
}
