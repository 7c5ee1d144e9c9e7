//! `GET /v1/persons/{person}/identity`: who a person is, for who traces.

use axum::{
    Json,
    extract::State,
    http::{HeaderName, HeaderValue},
};
use chrono::{DateTime, Utc};
use schemas::PersonKey;
use serde::Serialize;
use serde_json::{Map, Value};
use service::Caller;
use utoipa::ToSchema;

use crate::{
    AppState, QueryError, answer,
    export::NO_STORE,
    identities,
    input::{self, Fields, Segment},
    permit::{self, permit},
    refusals::{Refusals, ReleaseRefusals},
    release::{Asked, Question, Subject},
    store::IdentityRow,
};

/// Its name in the audit log.
pub(super) const ROUTE: &str = "GET /v1/persons/{person}/identity";

/// Who a person is. Without debug output: it has what names people.
#[derive(Serialize, ToSchema)]
pub struct IdentityResponse {
    /// Whose key.
    #[schema(value_type = String, pattern = "^[1-9a-f][0-9a-f]{15}$")]
    person: PersonKey,
    /// The newest registration by each form; none of a person who has not registered.
    registrations: Vec<Registration>,
}

/// What a person, or whoever registered them, has answered.
#[derive(Serialize, ToSchema)]
struct Registration {
    /// The form: `venue` or `freight`.
    form: String,
    /// Type of the document.
    document: String,
    /// When.
    registered_at: DateTime<Utc>,
    /// The answers by the ids of the form's fields, as the gateway's `/v1/forms` lists them; null when they do not open,
    /// because this service lacks the key or they were changed.
    #[schema(value_type = Option<Object>)]
    answers: Option<Map<String, Value>>,
}

/// Who a person is, as they registered
///
/// Takes a release that names the person, or by which a trace has found them, as far as its hops go. That it was opened, by
/// whom and why, is in the audit log before the answer leaves, and the person sees it in `/v1/persons/{person}/reads`. A
/// registration is here within a second or two.
#[utoipa::path(get, path = "/v1/persons/{person}/identity", tag = "scans",
    params(
        ("person" = String, Path, description = "Person key", pattern = "^[1-9a-f][0-9a-f]{15}$"),
        ("release" = Uuid, Query, description = "The release; it covers whom it names, and, as far as its hops go, whom a trace by it has found"),
    ),
    responses(
        (status = 200, description = "The registrations", body = IdentityResponse,
            headers(("Cache-Control" = String, description = "`no-store`"))),
        ReleaseRefusals,
        Refusals,
    ))]
pub async fn identity(
    State(state): State<AppState>,
    caller: Caller,
    person: Segment,
    mut fields: Fields,
) -> Result<([(HeaderName, HeaderValue); 1], Json<IdentityResponse>), QueryError> {
    let person = input::person(&input::segment(person, "person")?)?;
    let release = permit::named(&mut fields)?;
    fields.finish()?;
    let keys = state.identities().keys()?;
    let asked = vec![Asked { subject: Subject::Person(person), field: "person" }];
    let question = Question { asked, time: None, steps: 0, window_minutes: 0, window_field: "release" };
    let permit = permit(&state, &caller, ROUTE, release, question).await?;
    let rows = state.store().identities(person).await?;
    permit.write_down(&state, [], rows.len()).await?;
    let registration = |row: IdentityRow| {
        let answers = identities::open(keys, person, &row);
        Registration { form: row.form, document: row.document, registered_at: answer::time(row.registered_at), answers }
    };
    let registrations = rows.into_iter().map(registration).collect();
    Ok(([NO_STORE], Json(IdentityResponse { person, registrations })))
}
