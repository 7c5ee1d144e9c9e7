//! `POST /v1/alerts/{id}/acknowledgement` and `/disposition`: what a district's office does about an alert (S0 四, S4 二.3).

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use schemas::{
    AlertEvent,
    events::{AlertAction, Disposition, VERSION},
};
use serde::Deserialize;
use service::{Caller, http::Segment, openapi::IdOfDistrict};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    commands::{self, Command, CommandAnswer, REQUEST_ID},
    district,
};
use crate::{
    error::IngestError,
    fields::{Field, Object, Text, one_of, read},
    note::{self, NOTE},
    refusals::ObjectRefusals,
    scope::check_district,
    state::{Gateway, now_ms},
};

/// An acknowledgement of an alert.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgementRequest {
    /// Identity of the command: sent again with the same one, it is still one.
    #[serde(default)]
    request_id: Option<Uuid>,
}

impl Object<'_> for AcknowledgementRequest {
    const FIELDS: &'static [Field] = &[REQUEST_ID];
}

/// What became of the person of an alert.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DispositionRequest<'a> {
    /// Identity of the command: sent again with the same one, it is still one.
    #[serde(default)]
    request_id: Option<Uuid>,
    /// What became of the person.
    disposition: Disposition,
    /// What is to be noted, up to 500 characters; encrypted before it is kept.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    note: Option<Text<'a>>,
}

impl<'a> Object<'a> for DispositionRequest<'a> {
    const FIELDS: &'static [Field] = &[
        REQUEST_ID,
        Field::required::<Disposition>("disposition", || one_of(Disposition::ALL.iter().map(|word| word.as_str()))),
        NOTE,
    ];
}

/// Acknowledges an alert
///
/// Says that the office of the district looks after it. The first acknowledgement counts: a further one changes nothing,
/// and is noted as refused.
#[utoipa::path(post, path = "/v1/alerts/{id}/acknowledgement", tag = "alerts",
    params(IdOfDistrict),
    request_body(content = AcknowledgementRequest, content_type = "application/json"),
    responses(
        (status = 202, description = "Kept, to be decided", body = CommandAnswer),
        ObjectRefusals,
    ))]
pub async fn acknowledge(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    id: Segment,
    request: Request,
) -> Result<Response, IngestError> {
    take(&gateway, &caller, id, request, |alert, body| {
        let command = read::<AcknowledgementRequest>(body)?.request_id.unwrap_or_else(Uuid::now_v7);
        Ok((command, AlertAction::Acknowledge { alert, command, by: caller.claims().sub.clone() }))
    })
    .await
}

/// Says what became of the person of an alert
///
/// Only of an alert that was acknowledged, and once: a further one changes nothing, and is noted as refused. The note is
/// encrypted before it is kept, and shown by no route.
#[utoipa::path(post, path = "/v1/alerts/{id}/disposition", tag = "alerts",
    params(IdOfDistrict),
    request_body(content = DispositionRequest<'static>, content_type = "application/json"),
    responses(
        (status = 202, description = "Kept, to be decided", body = CommandAnswer),
        ObjectRefusals,
    ))]
pub async fn dispose(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    id: Segment,
    request: Request,
) -> Result<Response, IngestError> {
    take(&gateway, &caller, id, request, |alert, body| {
        let DispositionRequest { request_id, disposition, note } = read(body)?;
        let (command, by) = (request_id.unwrap_or_else(Uuid::now_v7), caller.claims().sub.clone());
        let sealed_note = note::sealed(note.as_ref(), command, &gateway.city.identity_keys)?;
        Ok((command, AlertAction::Dispose { alert, command, by, disposition, sealed_note }))
    })
    .await
}

async fn take(
    gateway: &Gateway,
    caller: &Caller,
    id: Segment,
    request: Request,
    read: impl FnOnce(Uuid, &[u8]) -> Result<(Uuid, AlertAction), IngestError>,
) -> Result<Response, IngestError> {
    commands::take(gateway, caller, request, &gateway.topics.alerts, |body| {
        let (alert, district) = district::identity(id, "expected an alert's identity", AlertEvent::district_of)?;
        check_district(caller.scope(), district, "id")?;
        let (command, action) = read(alert, body)?;
        let event = AlertEvent { v: VERSION, district, at_ms: now_ms(), action };
        let answer = CommandAnswer::new(command, "/v1/alerts", alert);
        Ok(Command { key: district.to_string(), event, answer })
    })
    .await
}
