//! `/healthz`, `/readyz` and `/metrics`.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use metrics_exporter_prometheus::PrometheusHandle;
use parking_lot::RwLock;

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

/// Routes that every service has.
pub fn routes(readiness: Readiness, metrics: PrometheusHandle) -> Router {
    Router::new()
        .route("/healthz", get(|| async { Json(serde_json::json!({ "status": "alive" })) }))
        .route("/readyz", get(readyz).with_state(readiness))
        .route("/metrics", get(render).with_state(metrics))
}

async fn readyz(State(readiness): State<Readiness>) -> impl IntoResponse {
    let text = |condition: &Condition| match condition {
        Condition::Met => "ok".to_owned(),
        Condition::Degraded(how) => format!("degraded: {how}"),
        Condition::Unmet(why) => why.clone(),
    };
    let conditions: BTreeMap<&str, String> =
        readiness.0.read().iter().map(|(name, condition)| (*name, text(condition))).collect();
    let ready = readiness.is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(serde_json::json!({ "ready": ready, "conditions": conditions })))
}

async fn render(State(metrics): State<PrometheusHandle>) -> impl IntoResponse {
    metrics.run_upkeep();
    ([("content-type", "text/plain; version=0.0.4")], metrics.render())
}
