//! All routes in view.

mod applications;
mod codes;
mod health_codes;
mod scans;
mod scans_batch;
mod tests;
mod venue_codes;
mod venues;

use std::sync::Arc;

use axum::{
    Router,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{error::IngestError, openapi, state::Gateway};

/// The gateway's routes, and those that every service has.
pub fn router(gateway: Arc<Gateway>) -> Router {
    let (router, api) = OpenApiRouter::with_openapi(openapi::document(gateway.limiter.quota()))
        .routes(routes!(scans::post))
        .routes(routes!(scans_batch::post))
        .routes(routes!(health_codes::post))
        .routes(routes!(tests::post))
        .routes(routes!(venues::post))
        .routes(routes!(codes::get))
        .routes(routes!(applications::submit))
        .routes(routes!(applications::review))
        .routes(routes!(applications::withdraw))
        .routes(routes!(venue_codes::revoke))
        .routes(routes!(venue_codes::reissue))
        .split_for_parts();
    // A document of strings and numbers always serialises.
    let api = api.to_json().unwrap_or_default();
    let health = service::health::routes(gateway.readiness.clone(), gateway.prometheus.clone());
    router
        .with_state(gateway)
        .merge(health)
        .route("/openapi.json", get(move || async move { json(api) }))
        .fallback(service::problem::not_found)
        .method_not_allowed_fallback(service::problem::method_not_allowed)
        .layer(CatchPanicLayer::custom(|_| IngestError::Internal.into_response()))
}

/// An answer that is JSON already.
pub fn json(body: impl Into<axum::body::Body>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
