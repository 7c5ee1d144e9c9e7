//! `POST /v1/erasures` and `/v1/erasures/{id}/decision`: written down here; the processor's fold of them decides, and
//! carries out what was confirmed.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use schemas::{ErasureEvent, events::VERSION};
use service::{Caller, http::Segment, openapi::IdOfDistrict};
use uuid::Uuid;

use super::{
    commands::{self, Command, CommandAnswer},
    district,
};
use crate::{
    erasure::{ErasureDecisionRequest, ErasureRequest},
    error::IngestError,
    fields::read,
    refusals::ObjectRefusals,
    scope::check_district,
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
        let erasure = event.erasure;
        Ok(command(event, erasure))
    })
    .await
}

/// Confirms that a person is erased, or declines it
///
/// Once, and never by the account that asked: anything further changes nothing, and is noted as refused. Whoever
/// confirms says whom, by key or document, as the evidence has it: when it was asked for another person, that is
/// refused as well (`other_person`). What is confirmed cannot be undone: what was made or accepted of the person before
/// goes from tables, topics and registrations, and does not come back when anything is read again. Whether a release
/// that is in force still needs it is for whoever confirms to look at. What a whole city's or province's office asks
/// for (its district ends in 00) is decided with a token that has no limit.
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
        let (erasure, district) = district::identity(id, "expected an erasure's identity", ErasureEvent::district_of)?;
        check_district(caller.scope(), district, "id")?;
        district::check_decides(caller.scope(), district)?;
        let decided = read::<ErasureDecisionRequest<'_>>(body)?;
        let (id, action) = decided.check(caller.claims(), gateway.city.keys(&*gateway))?;
        Ok(command(ErasureEvent { v: VERSION, erasure, at_ms: now_ms(), action }, id))
    })
    .await
}

fn command(event: ErasureEvent, command: Uuid) -> Command<ErasureEvent> {
    let answer = CommandAnswer::new(command, "/v1/erasures", event.erasure);
    Command { key: event.key(), event, answer }
}
