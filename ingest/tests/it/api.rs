//! What holds for all routes.

use crate::gateway::Gateway;

#[tokio::test]
async fn the_api_document_has_every_route() {
    let gateway = Gateway::start().await;
    let document = gateway.get("/openapi.json").await.ok();
    let paths = document["paths"].as_object().expect("paths");
    let routes = [
        ("/v1/scans", "post"),
        ("/v1/scans:batch", "post"),
        ("/v1/health-codes:batch", "post"),
        ("/v1/tests:batch", "post"),
        ("/v1/venues:batch", "post"),
        ("/v1/codes/{code}", "get"),
        ("/v1/forms", "get"),
        ("/v1/people", "post"),
        ("/v1/people/{person}/dependants", "post"),
        ("/v1/applications", "post"),
        ("/v1/applications/{id}/reviews", "post"),
        ("/v1/applications/{id}/withdrawal", "post"),
        ("/v1/venues/{venue}/revocation", "post"),
        ("/v1/venues/{venue}/reissue", "post"),
        ("/healthz", "get"),
        ("/readyz", "get"),
        ("/metrics", "get"),
        ("/openapi.json", "get"),
    ];
    assert_eq!(paths.len(), routes.len(), "{:?}", paths.keys());
    for (path, method) in routes {
        assert!(paths.get(path).is_some_and(|p| p.get(method).is_some()), "{method} {path}");
        let other = if method == "get" { reqwest::Method::POST } else { reqwest::Method::GET };
        let answer = gateway.request(other, path).send().await.expect("an answer");
        assert_eq!(answer.status(), 405, "{path}");
    }
    // Each schema that is referred to is there.
    let text = document.to_string();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().expect("a name");
        assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn what_does_not_exist_is_a_problem_too() {
    let gateway = Gateway::start().await;
    assert_eq!(gateway.get("/v1/nothing").await.refusal(), (404, "not-found".to_owned(), None));
    assert_eq!(gateway.get("/v1/scans").await.refusal(), (405, "method-not-allowed".to_owned(), None));
    gateway.stop().await;
}
