//! `POST /v1/people` and `/v1/people/{person}/dependants`: what a form asks is taken, encrypted and kept. Nobody here
//! opens it again, and no answer repeats it.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    response::Response,
};
use schemas::{
    PersonKey,
    access::Limit,
    city::{Declares, FormKind},
};
use serde::Serialize;
use service::{Caller, Problem, http::Segment};
use utoipa::ToSchema;

use super::json;
use crate::{
    body::{SINGLE_LIMIT_BYTES, read_json},
    error::IngestError,
    fields::{read, segment},
    keep::Keeping,
    metrics::count_feed,
    refusals::ObjectRefusals,
    registration::{DependantRequest, Registered, RegistrationRequest},
    state::{Gateway, now_ms},
    tables::Table,
};

/// How long an answer waits for this gateway's own table: a scan that follows at once is to find the registration.
const TABLE_PATIENCE: Duration = Duration::from_secs(2);

/// A registration that is kept.
#[derive(Debug, Serialize, ToSchema)]
pub struct RegistrationAnswer {
    /// The person's key, for the scans that follow.
    #[schema(value_type = String, example = "1123456789abcdef")]
    person: PersonKey,
    /// The form that was filled in.
    form: FormKind,
    /// What the answers declare. With `symptoms`, the scan that follows is to say so too; it is not kept here in the
    /// clear.
    declares: Vec<Declares>,
}

/// Registers a person
///
/// People register themselves, also ahead of their first visit; staff register who stands at their door. What was
/// registered before by the same form is replaced. Every wrong field is named, and nothing of the answers comes back.
#[utoipa::path(post, path = "/v1/people", tag = "people",
    request_body(content = RegistrationRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "Kept", body = RegistrationAnswer),
        ObjectRefusals,
    ))]
pub async fn register(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    request: Request,
) -> Result<Response, IngestError> {
    take(&gateway, &caller, request, |body| {
        let request = read::<RegistrationRequest>(body)?;
        request.check(caller.claims(), &gateway.city, &*gateway, now_ms() / 1000)
    })
    .await
}

/// Registers a dependant: a child or an old person who cannot scan
///
/// The guardian may scan for them by hand from then on. Only for people whom the city lets others register, and not for
/// somebody who is registered by themselves, by staff or by another guardian.
#[utoipa::path(post, path = "/v1/people/{person}/dependants", tag = "people",
    params(("person" = String, Path, pattern = "^[1-9a-f][0-9a-f]{15}$", description = "The guardian's own key")),
    request_body(content = DependantRequest<'static>, content_type = "application/json"),
    responses(
        (status = 200, description = "Kept", body = RegistrationAnswer),
        (status = 409, description = "`already-registered`", body = Problem, content_type = "application/problem+json"),
        ObjectRefusals,
    ))]
pub async fn register_dependant(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    guardian: Segment,
    request: Request,
) -> Result<Response, IngestError> {
    take(&gateway, &caller, request, |body| {
        let guardian: PersonKey = segment(guardian, "person")?
            .parse()
            .map_err(|_| IngestError::invalid("person", "expected the guardian's key: 16 lower-case hex digits"))?;
        if caller.scope().person != Some(guardian) {
            return Err(IngestError::OutOfScope { field: "person", limit: Limit::Person });
        }
        let request = read::<DependantRequest<'_>>(body)?;
        request.check(guardian, &gateway.city, &*gateway, now_ms() / 1000)
    })
    .await
}

async fn take(
    gateway: &Gateway,
    caller: &Caller,
    request: Request,
    check: impl FnOnce(&[u8]) -> Result<Registered, IngestError>,
) -> Result<Response, IngestError> {
    let client = caller.subject();
    gateway.let_in(client, 1)?;
    // As with feeds: somebody whom other gateways do not know for hours could not scan.
    if gateway.route.is_spooling() {
        return Err(IngestError::KafkaUnavailable);
    }
    let _room = gateway.admission.room_for_body(&request, SINGLE_LIMIT_BYTES)?;
    let body = read_json(request).await?;
    let permit = gateway.admission.enter(client)?;
    let Registered { event, declares } = check(&body)?;
    let mut keeping = Keeping::feed(gateway, &gateway.topics.identities);
    keeping.blank().push(event.key().as_bytes(), &event)?;
    keeping.send()?;
    let kept = keeping.kept().await;
    if let Some((_, error)) = kept.failed {
        return Err(error);
    }
    permit.kept();
    gateway.tables.seen.wait(Table::Identities, &kept.last, TABLE_PATIENCE).await;
    count_feed("/v1/people", "identities", 1);
    let answer = RegistrationAnswer { person: event.person, form: event.form, declares };
    serde_json::to_vec(&answer).map(json).map_err(|_| IngestError::Internal)
}
