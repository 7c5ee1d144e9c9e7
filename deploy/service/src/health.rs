//! `/healthz`, `/readyz` and `/metrics`.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use metrics_exporter_prometheus::PrometheusHandle;
use parking_lot::RwLock;

/// What must be true before a service may be sent requests. Shared by the parts that make it true.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<RwLock<BTreeMap<&'static str, Option<String>>>>);

impl Readiness {
    /// Readiness that waits for the named conditions.
    pub fn waiting_for(conditions: &[&'static str]) -> Self {
        let waiting = conditions.iter().map(|name| (*name, Some("starting".to_owned()))).collect();
        Self(Arc::new(RwLock::new(waiting)))
    }

    /// Notes that a condition holds.
    pub fn met(&self, condition: &'static str) {
        self.0.write().insert(condition, None);
    }

    /// Notes that a condition does not hold, and why.
    pub fn unmet(&self, condition: &'static str, why: impl Into<String>) {
        self.0.write().insert(condition, Some(why.into()));
    }

    /// Whether all conditions hold.
    pub fn is_ready(&self) -> bool {
        self.0.read().values().all(Option::is_none)
    }
}

/// Routes that every service has.
pub fn routes(readiness: Readiness, metrics: PrometheusHandle) -> Router {
    Router::new()
        .route("/healthz", get(|| async { Json(serde_json::json!({ "status": "alive" })) }))
        .route("/readyz", get(readyz).with_state(readiness))
        .route("/metrics", get(render).with_state(metrics))
}

async fn readyz(State(readiness): State<Readiness>) -> impl IntoResponse {
    let conditions: BTreeMap<&str, String> = readiness
        .0
        .read()
        .iter()
        .map(|(name, unmet)| (*name, unmet.clone().unwrap_or_else(|| "ok".to_owned())))
        .collect();
    let ready = readiness.is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(serde_json::json!({ "ready": ready, "conditions": conditions })))
}

async fn render(State(metrics): State<PrometheusHandle>) -> impl IntoResponse {
    metrics.run_upkeep();
    ([("content-type", "text/plain; version=0.0.4")], metrics.render())
}
