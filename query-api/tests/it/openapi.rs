//! `/openapi.json` and `/metrics`.

use crate::city::{City, range};

#[tokio::test]
async fn the_document_has_every_route_and_every_route_is_there() {
    let city = City::new().await;
    let api = city.api().await;
    let document = api.ok("/openapi.json").await;
    let paths = document["paths"].as_object().expect("paths");
    let listed: Vec<_> = paths.keys().map(String::as_str).collect();
    assert_eq!(
        listed,
        [
            "/V/{page}",
            "/healthz",
            "/metrics",
            "/openapi.json",
            "/readyz",
            "/v1/alerts",
            "/v1/alerts/{id}",
            "/v1/applications",
            "/v1/applications/{id}",
            "/v1/checkpoints",
            "/v1/city/days",
            "/v1/codes/missing",
            "/v1/codes/unused",
            "/v1/erasures",
            "/v1/erasures/{id}",
            "/v1/erasures/{id}/report",
            "/v1/footfall",
            "/v1/footfall/live",
            "/v1/footfall/top",
            "/v1/health-proposals",
            "/v1/health-proposals/{id}",
            "/v1/occupancy",
            "/v1/persons/{person}/health-changes",
            "/v1/persons/{person}/identity",
            "/v1/persons/{person}/reads",
            "/v1/persons/{person}/visits",
            "/v1/releases",
            "/v1/releases/{id}",
            "/v1/reminders",
            "/v1/reminders/{id}",
            "/v1/reports/keys",
            "/v1/scans",
            "/v1/stats",
            "/v1/traces",
            "/v1/traces/jobs",
            "/v1/traces/jobs/{id}",
            "/v1/traces/jobs/{id}/result",
            "/v1/trips",
            "/v1/trips/{id}",
            "/v1/venues/{id}/poster",
            "/v1/venues/{id}/visitors",
        ]
    );
    for (path, operations) in paths {
        let is_get = operations.get("get").is_some();
        let status = api.get(&path.replace(['{', '}'], "")).await.status();
        assert_eq!(status == 405, !is_get, "{path}");
        assert_ne!(status, 404, "{path}");
    }
    let trace = &document["components"]["schemas"]["TraceParams"];
    assert_eq!(trace["required"], serde_json::json!(["from", "to", "release"]));
    // A job takes the same, but for the format, which its result takes.
    let mut without = trace["properties"].as_object().expect("an object").clone();
    assert!(["format", "table"].iter().all(|field| without.remove(*field).is_some()));
    let job = &document["components"]["schemas"]["TraceJobParams"];
    assert_eq!((&job["properties"], &job["required"]), (&serde_json::json!(without), &trace["required"]));
}

#[tokio::test]
async fn queries_and_problems_are_counted() {
    let city = City::new().await;
    let api = city.api().await;
    api.ok(&format!("/v1/venues/1/visitors?{}", range(0, 60))).await;
    api.get("/v1/stats?no=1").await;
    let metrics = api.get("/metrics").await.text().await.expect("text");
    for line in [
        "# HELP query_api_query_seconds Time from asking",
        "query_api_query_seconds_count{kind=\"visitors\"}",
        "query_api_read_rows_total{kind=\"visitors\"}",
        "query_api_problems_total{problem=\"unknown-field\"}",
    ] {
        assert!(metrics.contains(line), "{line} is missing in {metrics}");
    }
}
