//! All routes in view.

mod alerts;
mod applications;
mod codes;
pub mod commands;
mod forms;
mod health_codes;
mod people;
mod releases;
mod scans;
mod scans_batch;
mod tests;
mod trips;
mod venue_codes;
mod venues;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    http::{HeaderValue, Method, header},
    response::Response,
};
pub use scans_batch::ScanReceipt;
use schemas::access::{
    Limit::{District, Organisation, Person, Venues},
    Role::{self, Admin, Citizen, Device, Epidemiologist, Feed, Operator, Reviewer, Supervisor},
    Rule, Table,
};
use service::access::GuardedRouter;
use tower::{
    Layer,
    util::{Either, option_layer},
};
use tower_http::cors::{Cors, CorsLayer};
use utoipa_axum::routes;

use crate::{caught::Caught, openapi, state::Gateway};

/// Who may use which route. What is not listed is refused.
pub const TABLE: Table = Table(&[
    Rule::of("POST", "/v1/scans", &[Device, Citizen]).honouring(&[Organisation, District, Venues, Person]),
    Rule::of("POST", "/v1/scans:batch", &[Device]).honouring(&[Organisation, District, Venues, Person]),
    Rule::of("POST", "/v1/health-codes:batch", &[Feed]),
    // Not by the account that made it: which one that was the log of bulk changes knows.
    Rule::of("POST", "/v1/health-proposals/{id}/release", &[Feed]),
    Rule::of("POST", "/v1/tests:batch", &[Feed]),
    Rule::of("POST", "/v1/venues:batch", &[Admin]),
    // A code tells nothing of a person: a citizen may look up any.
    Rule::of("GET", "/v1/codes/{code}", &[Device, Citizen, Operator, Reviewer, Admin]).honouring(&[
        Organisation,
        District,
        Venues,
        Person,
    ]),
    // What is asked is no secret; who registers somebody else is staff, or the person's guardian.
    Rule::of("GET", "/v1/forms", &[Device, Citizen]).honouring(&[Organisation, District, Venues, Person]),
    Rule::of("POST", "/v1/people", &[Device, Citizen]).honouring(&[Organisation, District, Venues, Person]),
    Rule::of("POST", "/v1/people/{person}/dependants", &[Citizen]).honouring(&[Person]),
    // Whose application it is the registry knows: within an organisation each of its operators may go on with it (S0).
    Rule::of("POST", "/v1/applications", &[Operator]).honouring(&[Organisation, District, Person]),
    Rule::of("POST", "/v1/applications/{id}/withdrawal", &[Operator]).honouring(&[Organisation, Person]),
    Rule::of("POST", "/v1/applications/{id}/reviews", &[Reviewer]).honouring(&[Organisation, District]),
    Rule::of("POST", "/v1/venues/{venue}/revocation", &[Operator, Reviewer, Admin]).honouring(&[
        Organisation,
        District,
        Person,
    ]),
    Rule::of("POST", "/v1/venues/{venue}/reissue", &[Operator, Reviewer, Admin]).honouring(&[
        Organisation,
        District,
        Person,
    ]),
    // Staff may declare for drivers at their own checkpoints; a driver's trip is the driver's.
    Rule::of("POST", "/v1/trips", &[Device, Citizen]).honouring(&[Organisation, District, Venues, Person]),
    Rule::of("POST", "/v1/trips/{id}/cancellation", &[Device, Citizen]).honouring(&[Person]),
    // Whose district it is the alert's identity says.
    Rule::of("POST", "/v1/alerts/{id}/acknowledgement", &[Role::District, Supervisor]).honouring(&[District]),
    Rule::of("POST", "/v1/alerts/{id}/disposition", &[Role::District, Supervisor]).honouring(&[District]),
    // Who asks never decides: which account asked the log of releases knows, whose district it is the identity says.
    Rule::of("POST", "/v1/releases", &[Epidemiologist]).honouring(&[District]),
    Rule::of("POST", "/v1/releases/{id}/decision", &[Supervisor]).honouring(&[District]),
    Rule::of("POST", "/v1/releases/{id}/withdrawal", &[Epidemiologist, Supervisor]).honouring(&[District]),
    Rule::open("GET", "/healthz"),
    Rule::open("GET", "/readyz"),
    Rule::open("GET", "/metrics"),
    Rule::open("GET", "/openapi.json"),
]);

/// The gateway's routes, those that every service has, and what a page may do.
///
/// What concerns all routes stands around the router: within, each layer would cost every request some allocations.
pub fn service(gateway: Arc<Gateway>) -> Either<Cors<Caught<Router>>, Caught<Router>> {
    let page = gateway.page_origin.clone().map(for_page);
    option_layer(page).layer(Caught(router(gateway)))
}

fn router(gateway: Arc<Gateway>) -> Router {
    let document = openapi::document(gateway.limiter.quota());
    let (router, document) = GuardedRouter::new(document, TABLE, Arc::clone(&gateway.verifier))
        .routes(routes!(scans::post))
        .routes(routes!(scans_batch::post))
        .routes(routes!(health_codes::post))
        .routes(routes!(health_codes::release))
        .routes(routes!(tests::post))
        .routes(routes!(venues::post))
        .routes(routes!(codes::get))
        .routes(routes!(forms::get))
        .routes(routes!(people::register))
        .routes(routes!(people::register_dependant))
        .routes(routes!(applications::submit))
        .routes(routes!(applications::review))
        .routes(routes!(applications::withdraw))
        .routes(routes!(venue_codes::revoke))
        .routes(routes!(venue_codes::reissue))
        .routes(routes!(trips::declare))
        .routes(routes!(trips::cancel))
        .routes(routes!(alerts::acknowledge))
        .routes(routes!(alerts::dispose))
        .routes(routes!(releases::ask))
        .routes(routes!(releases::decide))
        .routes(routes!(releases::withdraw))
        .split_for_parts();
    let (readiness, prometheus) = (gateway.readiness.clone(), gateway.prometheus.clone());
    service::health::with_routes(router.with_state(gateway), document, readiness, prometheus)
}

/// Lets a page of this origin send requests and read the answers. Tokens are in a header that the page sets: no cookie is
/// let through, so no other page can act for whoever is signed in.
fn for_page(origin: HeaderValue) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(origin)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .max_age(Duration::from_secs(3600))
}

/// An answer that is JSON already.
pub fn json(body: impl Into<axum::body::Body>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
