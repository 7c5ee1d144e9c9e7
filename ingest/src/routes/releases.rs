//! `POST /v1/releases`, `/v1/releases/{id}/decision` and `/v1/releases/{id}/withdrawal`: written down here; what becomes
//! of a release the processor's fold of them says, and the query API lets reads through by it.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use schemas::{
    ReleaseEvent,
    access::Role,
    events::{ReleaseAction, VERSION},
};
use service::{Caller, http::Segment, openapi::IdOfDistrict};
use uuid::Uuid;

use super::{
    commands::{self, Command, CommandAnswer},
    district,
};
use crate::{
    error::IngestError,
    fields::read,
    refusals::ObjectRefusals,
    release::{DecisionRequest, ReleaseRequest, ReleaseWithdrawalRequest},
    scope::check_district,
    state::{Gateway, now_ms},
};

/// Asks to read of anyone's movements
///
/// Nothing may be read by it before a supervisor with another account has released it, and then by this account alone,
/// within what it names, for the hours that the gateway was told. Sent again with the same `request_id`, it is still one.
#[utoipa::path(post, path = "/v1/releases", tag = "releases",
    request_body(content = ReleaseRequest<'static>, content_type = "application/json"),
    responses(
        (status = 202, description = "Kept, to be decided; `command` is the release", body = CommandAnswer),
        ObjectRefusals,
    ))]
pub async fn ask(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    request: Request,
) -> Result<Response, IngestError> {
    commands::take(&gateway, &caller, request, &gateway.topics.releases, |body| {
        let (asked, now_ms) = (read::<ReleaseRequest<'_>>(body)?, now_ms());
        let event =
            asked.check(caller.claims(), &gateway.city.identity_keys, (now_ms, gateway.releases_until(now_ms)))?;
        let release = event.release;
        Ok(command(event, release))
    })
    .await
}

/// Releases what another account asks to read, or declines it
///
/// Once, and never by the account that asked: anything further changes nothing, and is noted as refused. What a whole city's
/// or province's office asks for (its district ends in 00) is decided with a token that has no limit.
#[utoipa::path(post, path = "/v1/releases/{id}/decision", tag = "releases",
    params(IdOfDistrict),
    request_body(content = DecisionRequest<'static>, content_type = "application/json"),
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
    take(&gateway, &caller, id, request, |district, body| {
        district::check_decides(caller.scope(), district)?;
        let decision = read::<DecisionRequest<'_>>(body)?;
        decision.check(caller.claims(), &gateway.city.identity_keys, gateway.releases_until(now_ms()))
    })
    .await
}

/// Takes a release back, or what was asked for
///
/// By the account that asked, or by a supervisor. Nothing is read by it as soon as the processor has taken it up: within a
/// second or two, or, while no processor runs, when one does again; the release's own end holds meanwhile.
#[utoipa::path(post, path = "/v1/releases/{id}/withdrawal", tag = "releases",
    params(IdOfDistrict),
    request_body(content = ReleaseWithdrawalRequest, content_type = "application/json"),
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
    take(&gateway, &caller, id, request, |_, body| {
        let command = read::<ReleaseWithdrawalRequest>(body)?.request_id.unwrap_or_else(Uuid::now_v7);
        let (by, by_supervisor) = (caller.claims().sub.clone(), caller.role() == Role::Supervisor);
        Ok((command, ReleaseAction::Withdraw { command, by, by_supervisor }))
    })
    .await
}

async fn take(
    gateway: &Gateway,
    caller: &Caller,
    id: Segment,
    request: Request,
    read: impl FnOnce(u32, &[u8]) -> Result<(Uuid, ReleaseAction), IngestError>,
) -> Result<Response, IngestError> {
    commands::take(gateway, caller, request, &gateway.topics.releases, |body| {
        let (release, district) = district::identity(id, "expected a release's identity", ReleaseEvent::district_of)?;
        check_district(caller.scope(), district, "id")?;
        let (id, action) = read(district, body)?;
        Ok(command(ReleaseEvent { v: VERSION, release, at_ms: now_ms(), action }, id))
    })
    .await
}

fn command(event: ReleaseEvent, command: Uuid) -> Command<ReleaseEvent> {
    let answer = CommandAnswer::new(command, "/v1/releases", event.release);
    Command { key: event.release.to_string(), event, answer }
}
