//! All routes in view, and what every request passes.

mod alerts;
mod applications;
mod checkpoints;
mod city;
mod codes;
mod district;
mod erasures;
mod footfall;
mod health_changes;
mod health_proposals;
mod identity;
mod jobs;
mod live;
mod occupancy;
mod openapi;
mod page;
mod posters;
mod reads;
mod releases;
mod reminders;
mod report_keys;
mod scans;
mod stats;
mod top;
mod traces;
mod trips;
mod visitors;
mod visits;

pub(crate) use scans::AliasKey;
pub(crate) use traces::TraceRequest;

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use schemas::access::{
    Limit::{District, Organisation, Person, Venues},
    Role, Rule, Table,
};
use service::access::GuardedRouter;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::routes;

use crate::{AppState, QueryError, input::MAX_BODY_BYTES};

/// Who may count.
const COUNTS: &[Role] =
    &[Role::Operator, Role::District, Role::Epidemiologist, Role::Supervisor, Role::Dashboard, Role::Regulator];

/// Who may look at erasures: who asks for them, confirms them, or holds both to account.
const ERASURES: &[Role] = &[Role::District, Role::Supervisor, Role::Auditor];

/// Who may use which route. What is not listed is refused.
pub const TABLE: Table = Table(&[
    // These take a release that names whom they are about, besides the role, and a district's token takes one of that
    // district (`permit`).
    Rule::of("POST", "/v1/traces", &[Role::Epidemiologist]).honouring(&[District]),
    // The same, later. A job is seen by the account that asked.
    Rule::of("POST", "/v1/traces/jobs", &[Role::Epidemiologist]).honouring(&[District]),
    Rule::of("GET", "/v1/traces/jobs/{id}", &[Role::Epidemiologist]).honouring(&[District]),
    Rule::of("DELETE", "/v1/traces/jobs/{id}", &[Role::Epidemiologist]).honouring(&[District]),
    Rule::of("GET", "/v1/traces/jobs/{id}/result", &[Role::Epidemiologist]).honouring(&[District]),
    Rule::of("GET", "/v1/persons/{person}/visits", &[Role::Epidemiologist]).honouring(&[District]),
    // What names people is sealed until then.
    Rule::of("GET", "/v1/persons/{person}/identity", &[Role::Epidemiologist]).honouring(&[District]),
    Rule::of("GET", "/v1/venues/{id}/visitors", &[Role::Epidemiologist]).honouring(&[Organisation, District, Venues]),
    Rule::of("GET", "/v1/footfall", COUNTS).honouring(&[Organisation, District, Venues]),
    Rule::of("GET", "/v1/footfall/top", COUNTS).honouring(&[Organisation, District, Venues]),
    Rule::of("GET", "/v1/footfall/live", COUNTS).honouring(&[Organisation, District, Venues]),
    Rule::of("GET", "/v1/occupancy", COUNTS).honouring(&[Organisation, District, Venues]),
    // Whose they are is masked (S0).
    Rule::of("GET", "/v1/scans", &[Role::Operator, Role::District]).honouring(&[Organisation, District, Venues]),
    Rule::of("GET", "/v1/codes/unused", &[Role::Regulator, Role::District]).honouring(&[District]),
    Rule::of("GET", "/v1/codes/missing", &[Role::Regulator, Role::District]).honouring(&[District]),
    Rule::of("GET", "/v1/city/days", &[Role::Dashboard, Role::Regulator, Role::Admin]),
    // Exact to the scan and the second: screens have the headline figures of days instead.
    Rule::of("GET", "/v1/stats", &[Role::Regulator, Role::Admin]),
    // A person is who asks for "my records", and no limit: the organisation's are shown to all its operators (S0).
    Rule::of(
        "GET",
        "/v1/applications",
        &[Role::Operator, Role::Reviewer, Role::District, Role::Regulator, Role::Admin],
    )
    .honouring(&[Organisation, District, Person]),
    Rule::of(
        "GET",
        "/v1/applications/{id}",
        &[Role::Operator, Role::Reviewer, Role::District, Role::Regulator, Role::Admin],
    )
    .honouring(&[Organisation, District, Person]),
    Rule::of("GET", "/v1/venues/{id}/poster", &[Role::Operator, Role::Reviewer, Role::District, Role::Admin])
        .honouring(&[Organisation, District, Venues]),
    Rule::of("GET", "/v1/alerts", &[Role::District, Role::Supervisor]).honouring(&[District]),
    Rule::of("GET", "/v1/alerts/{id}", &[Role::District, Role::Supervisor]).honouring(&[District]),
    // A driver sees their own, a district the trips to it.
    Rule::of("GET", "/v1/trips", &[Role::Citizen, Role::District, Role::Supervisor]).honouring(&[District, Person]),
    Rule::of("GET", "/v1/trips/{id}", &[Role::Citizen, Role::District, Role::Supervisor])
        .honouring(&[District, Person]),
    // Published by the city (S4): it is the same for all, whatever a token is limited to.
    Rule::of("GET", "/v1/checkpoints", Role::ALL).honouring(&[Organisation, District, Venues, Person]),
    // Whom it is about is not in it.
    Rule::of("GET", "/v1/health-proposals", &[Role::Feed, Role::Supervisor, Role::Auditor]),
    Rule::of("GET", "/v1/health-proposals/{id}", &[Role::Feed, Role::Supervisor, Role::Auditor]),
    // Epidemiologists see their own, the others those of their district.
    Rule::of("GET", "/v1/releases", &[Role::Epidemiologist, Role::Supervisor, Role::Auditor]).honouring(&[District]),
    Rule::of("GET", "/v1/releases/{id}", &[Role::Epidemiologist, Role::Supervisor, Role::Auditor])
        .honouring(&[District]),
    // Offices see those of their district, an operator what was sent to its organisation, whoever of it asks.
    Rule::of("GET", "/v1/reminders", &[Role::Regulator, Role::District, Role::Operator]).honouring(&[
        Organisation,
        District,
        Person,
    ]),
    Rule::of("GET", "/v1/reminders/{id}", &[Role::Regulator, Role::District, Role::Operator]).honouring(&[
        Organisation,
        District,
        Person,
    ]),
    // Whom it is of is not in it.
    Rule::of("GET", "/v1/erasures", ERASURES).honouring(&[District]),
    Rule::of("GET", "/v1/erasures/{id}", ERASURES).honouring(&[District]),
    Rule::of("GET", "/v1/erasures/{id}/report", ERASURES).honouring(&[District]),
    // Whoever is shown a report verifies it.
    Rule::open("GET", "/v1/reports/keys"),
    // What was read of a person is that person's to know.
    Rule::of("GET", "/v1/persons/{person}/reads", &[Role::Citizen]).honouring(&[Person]),
    // One's own only: it is health data, and nobody else has asked for it with a case and a purpose.
    Rule::of("GET", "/v1/persons/{person}/health-changes", &[Role::Citizen]).honouring(&[Person]),
    // A phone's scanner has no token; the page knows nothing of a person.
    Rule::open("GET", "/V/{page}"),
    Rule::open("GET", "/healthz"),
    Rule::open("GET", "/readyz"),
    Rule::open("GET", "/metrics"),
    Rule::open("GET", "/openapi.json"),
]);

/// The service without its port: pure wiring.
pub fn router(state: AppState) -> Router {
    let (api, document) = GuardedRouter::new(openapi::Document::openapi(), TABLE, Arc::clone(state.verifier()))
        .routes(routes!(traces::trace))
        .routes(routes!(jobs::ask))
        .routes(routes!(jobs::job, jobs::cancel))
        .routes(routes!(jobs::result))
        .routes(routes!(visits::visits))
        .routes(routes!(identity::identity))
        .routes(routes!(visitors::visitors))
        .routes(routes!(footfall::footfall))
        .routes(routes!(top::top))
        .routes(routes!(live::live))
        .routes(routes!(occupancy::occupancy))
        .routes(routes!(scans::scans))
        .routes(routes!(codes::unused))
        .routes(routes!(codes::missing))
        .routes(routes!(city::days))
        .routes(routes!(stats::stats))
        .routes(routes!(applications::application))
        .routes(routes!(applications::applications))
        .routes(routes!(posters::poster))
        .routes(routes!(alerts::alert))
        .routes(routes!(alerts::alerts))
        .routes(routes!(trips::trip))
        .routes(routes!(trips::trips))
        .routes(routes!(checkpoints::checkpoints))
        .routes(routes!(health_proposals::health_proposal))
        .routes(routes!(releases::release))
        .routes(routes!(releases::releases))
        .routes(routes!(reminders::reminder))
        .routes(routes!(reminders::reminders))
        .routes(routes!(erasures::erasure))
        .routes(routes!(erasures::erasures))
        .routes(routes!(erasures::report))
        .routes(routes!(report_keys::keys))
        .routes(routes!(reads::reads))
        .routes(routes!(health_proposals::health_proposals))
        .routes(routes!(health_changes::health_changes))
        .routes(routes!(page::page))
        .split_for_parts();
    let gate = from_fn_with_state(state.clone(), gate);
    let api = api.route_layer(gate).with_state(state.clone());
    service::health::with_routes(api, document, state.readiness().clone(), state.metrics().clone())
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CatchPanicLayer::custom(|_| QueryError::Aborted.into_response()))
}

/// Lets a request through when the tables are there and a slot is free. The page asks ClickHouse for nothing; traces wait for
/// their turn, and would keep the slots from others meanwhile.
async fn gate(State(state): State<AppState>, request: Request, next: Next) -> Result<Response, QueryError> {
    if request.uri().path().starts_with(page::PATH) {
        return Ok(next.run(request).await);
    }
    if !state.readiness().is_ready() {
        return Err(QueryError::NotReady);
    }
    let _slot = if request.uri().path() == traces::PATH { None } else { Some(state.slot().await?) };
    Ok(next.run(request).await)
}
