//! All routes in view.

mod alerts;
mod applications;
mod codes;
pub mod commands;
mod district;
mod erasures;
mod forms;
mod health_codes;
mod people;
mod releases;
mod reminders;
mod scans;
mod scans_batch;
mod tests;
mod trips;
mod venue_codes;
mod venues;

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, State},
    http::{HeaderValue, Method, Request, header},
    response::{IntoResponse, Response},
};
use hyper::body::Incoming;
pub use scans_batch::ScanReceipt;
use schemas::access::{
    Limit::{District, Organisation, Person, Venues},
    Role::{self, Admin, Citizen, Device, Epidemiologist, Feed, Operator, Regulator, Reviewer, Supervisor},
    Rule, Table,
};
use service::{
    Caller,
    access::{self, AccessError, GuardedRouter},
};
use tower::{Layer, Service, service_fn, util::option_layer};
use tower_http::cors::CorsLayer;
use utoipa_axum::routes;

use crate::{caught::Caught, connections::Answering, openapi, state::Gateway};

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
    // Whose district it is the identity says, and whose reminder it is the log of them knows.
    Rule::of("POST", "/v1/reminders", &[Regulator]).honouring(&[District]),
    Rule::of("POST", "/v1/reminders/{id}/settle", &[Regulator]).honouring(&[District]),
    Rule::of("POST", "/v1/reminders/{id}/answer", &[Operator]).honouring(&[Organisation, District, Person]),
    // Nor does who asks for somebody to be erased confirm it.
    Rule::of("POST", "/v1/erasures", &[Role::District, Supervisor]).honouring(&[District]),
    Rule::of("POST", "/v1/erasures/{id}/decision", &[Supervisor]).honouring(&[District]),
    Rule::open("GET", "/healthz"),
    Rule::open("GET", "/readyz"),
    Rule::open("GET", "/metrics"),
    Rule::open("GET", "/openapi.json"),
]);

/// Answers the requests of the connections: by [`TABLE`], for a page as well where there is one, and whatever panics.
///
/// What concerns all routes stands around the router: within, each layer would cost every request some allocations.
/// Single scans, of which there are most by far, go past the router for the same reason.
pub struct Answerer {
    gateway: Arc<Gateway>,
    router: Router,
    page: Option<CorsLayer>,
}

impl Answerer {
    /// The gateway's routes, and those that every service has.
    pub fn new(gateway: Arc<Gateway>) -> Arc<Self> {
        let page = gateway.page_origin.clone().map(for_page);
        Arc::new(Self { router: router(Arc::clone(&gateway)), gateway, page })
    }

    /// What answers the connection of this address.
    pub fn service_for(self: &Arc<Self>, peer: SocketAddr) -> impl Answering {
        let answerer = Arc::clone(self);
        let answering = service_fn(move |request| Arc::clone(&answerer).answer(peer, request));
        option_layer(self.page.clone()).layer(Caught(answering))
    }

    async fn answer(self: Arc<Self>, peer: SocketAddr, request: Request<Incoming>) -> Result<Response, Infallible> {
        let mut request = request.map(Body::new);
        if request.method() == Method::POST && request.uri().path() == scans::PATH {
            return Ok(match self.admit(&request, peer) {
                Ok(caller) => scans::post(State(Arc::clone(&self.gateway)), caller, request).await.into_response(),
                Err(refused) => refused.into_response(),
            });
        }
        request.extensions_mut().insert(ConnectInfo(peer));
        self.router.clone().call(request).await
    }

    /// Who sends a scan, as the guard before a route would have it.
    fn admit(&self, request: &Request<Body>, peer: SocketAddr) -> Result<Caller, AccessError> {
        let rule = TABLE.rule(request.method().as_str(), request.uri().path()).ok_or(AccessError::NoRule)?;
        access::admit(rule, &self.gateway.verifier, request.headers(), Some(peer))?.ok_or(AccessError::NoRule)
    }
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
        .routes(routes!(reminders::send))
        .routes(routes!(reminders::settle))
        .routes(routes!(reminders::answer))
        .routes(routes!(erasures::ask))
        .routes(routes!(erasures::decide))
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
