//! The OpenAPI document, and the routes in it that every service has.

use service::Problem;
use utoipa::OpenApi;

/// The frame that the routes are added to.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "VenueCode query API",
        description = "Reads stored scans: traces, visits, visitors, footfall and statistics; prints posters. Times are RFC 3339, \
                       truncated to whole seconds; ranges are half-open, [from, to). Every error is a problem detail \
                       (RFC 9457) that names the field that is wrong."
    ),
    paths(healthz, readyz, metrics, openapi_json),
    components(schemas(Problem)),
    tags((name = "scans", description = "Questions about scans"),
         (name = "applications", description = "Applications for venue codes"),
         (name = "alerts", description = "Abnormal scans and lorries, for the districts' offices"),
         (name = "trips", description = "Trips of lorries, and the checkpoints by which they enter"),
         (name = "venues", description = "Venues and their codes"), (name = "service", description = "About the process"))
)]
pub struct Document;

/// Puts the paths in the order of their names, which does not depend on how the router is built.
pub fn sort_paths(document: &mut utoipa::openapi::OpenApi) {
    let paths = std::mem::take(&mut document.paths.paths);
    let mut paths: Vec<_> = paths.into_iter().collect();
    paths.sort_by(|(a, _), (b, _)| a.cmp(b));
    document.paths.paths = paths.into_iter().collect();
}

/// Says that the process is alive.
#[utoipa::path(get, path = "/healthz", tag = "service", responses((status = 200, description = "Alive")))]
#[expect(dead_code, reason = "stands for service::health in the document")]
fn healthz() {}

/// Says whether the service may be sent requests, and what is missing.
#[utoipa::path(get, path = "/readyz", tag = "service",
    responses((status = 200, description = "Ready"), (status = 503, description = "Not ready, with conditions")))]
#[expect(dead_code, reason = "stands for service::health in the document")]
fn readyz() {}

/// Metrics for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "service",
    responses((status = 200, description = "Prometheus text format", body = String, content_type = "text/plain")))]
#[expect(dead_code, reason = "stands for service::health in the document")]
fn metrics() {}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "service",
    responses((status = 200, description = "OpenAPI", body = serde_json::Value)))]
#[expect(dead_code, reason = "stands for a closure in the document")]
fn openapi_json() {}
