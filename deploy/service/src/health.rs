//! What every service answers of itself: `/healthz`, `/readyz`, `/metrics` and `/openapi.json`.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use metrics_exporter_prometheus::PrometheusHandle;
use parking_lot::RwLock;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::{openapi, problem};

/// What must be true before a service may be sent requests. Shared by the parts that make it true.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<RwLock<BTreeMap<&'static str, Condition>>>);

/// One thing that must be true.
#[derive(Debug, Clone)]
enum Condition {
    Met,
    /// Requests may be sent here all the same.
    Degraded(String),
    Unmet(String),
}

impl Readiness {
    /// Readiness that waits for the named conditions.
    pub fn waiting_for(conditions: &[&'static str]) -> Self {
        let waiting = conditions.iter().map(|name| (*name, Condition::Unmet("starting".to_owned()))).collect();
        Self(Arc::new(RwLock::new(waiting)))
    }

    /// Notes that a condition holds.
    pub fn met(&self, condition: &'static str) {
        self.0.write().insert(condition, Condition::Met);
    }

    /// Notes that a condition holds only so far, and how far: requests may be sent here all the same.
    pub fn degraded(&self, condition: &'static str, how: impl Into<String>) {
        self.0.write().insert(condition, Condition::Degraded(how.into()));
    }

    /// Notes that a condition does not hold, and why.
    pub fn unmet(&self, condition: &'static str, why: impl Into<String>) {
        self.0.write().insert(condition, Condition::Unmet(why.into()));
    }

    /// Whether all conditions hold.
    pub fn is_ready(&self) -> bool {
        !self.0.read().values().any(|condition| matches!(condition, Condition::Unmet(_)))
    }
}

/// That the process is alive.
#[derive(Debug, Serialize, ToSchema)]
struct Alive {
    /// `alive`.
    #[schema(pattern = "^alive$")]
    status: &'static str,
}

/// Whether requests may be sent here.
#[derive(Debug, Serialize, ToSchema)]
struct Ready {
    /// Whether they may.
    ready: bool,
    /// `ok`, or how a condition is degraded or not met.
    conditions: BTreeMap<&'static str, String>,
}

/// What is added to a service's own document.
#[derive(OpenApi)]
#[openapi(
    paths(healthz, readyz, render, openapi_json),
    components(schemas(crate::Problem)),
    tags((name = "operations", description = "For those who run the service"))
)]
struct Document;

/// All routes of a service: its own with their document, those that every service has, and what is answered where there is
/// no route.
pub fn with_routes(
    own: Router,
    mut document: utoipa::openapi::OpenApi,
    readiness: Readiness,
    metrics: PrometheusHandle,
) -> Router {
    document.merge(Document::openapi());
    let document = openapi::published(document);
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz).with_state(readiness))
        .route("/metrics", get(render).with_state(metrics))
        .route("/openapi.json", get(async move || Json(document)))
        .merge(own)
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
}

/// Whether the process is alive
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = 200, description = "Alive", body = Alive)))]
async fn healthz() -> Json<Alive> {
    Json(Alive { status: "alive" })
}

/// Whether requests may be sent here
#[utoipa::path(get, path = "/readyz", tag = "operations", responses(
    (status = 200, description = "Ready", body = Ready),
    (status = 503, description = "Not ready, with the conditions that are not met", body = Ready),
))]
async fn readyz(State(readiness): State<Readiness>) -> (StatusCode, Json<Ready>) {
    let text = |condition: &Condition| match condition {
        Condition::Met => "ok".to_owned(),
        Condition::Degraded(how) => format!("degraded: {how}"),
        Condition::Unmet(why) => why.clone(),
    };
    let conditions = readiness.0.read().iter().map(|(name, condition)| (*name, text(condition))).collect();
    let ready = readiness.is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Ready { ready, conditions }))
}

/// Metrics for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses((status = 200, description = "Prometheus's text format", body = String, content_type = "text/plain")))]
async fn render(State(metrics): State<PrometheusHandle>) -> impl IntoResponse {
    metrics.run_upkeep();
    ([("content-type", "text/plain; version=0.0.4")], metrics.render())
}

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "operations",
    responses((status = 200, description = "OpenAPI", body = serde_json::Value)))]
#[expect(dead_code, reason = "stands for a closure in the document")]
fn openapi_json() {}
