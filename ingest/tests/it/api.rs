//! What holds for all routes.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::gateway::{Gateway, PERSON};

#[tokio::test]
async fn the_api_document_has_every_route() {
    let gateway = Gateway::start().await;
    let document = gateway.get("/openapi.json").await.ok();
    let paths = document["paths"].as_object().expect("paths");
    let routes = [
        ("/v1/scans", "post"),
        ("/v1/scans:batch", "post"),
        ("/v1/health-codes:batch", "post"),
        ("/v1/health-proposals/{id}/release", "post"),
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
        ("/v1/trips", "post"),
        ("/v1/trips/{id}/cancellation", "post"),
        ("/v1/alerts/{id}/acknowledgement", "post"),
        ("/v1/alerts/{id}/disposition", "post"),
        ("/v1/releases", "post"),
        ("/v1/releases/{id}/decision", "post"),
        ("/v1/releases/{id}/withdrawal", "post"),
        ("/v1/reminders", "post"),
        ("/v1/reminders/{id}/settle", "post"),
        ("/v1/reminders/{id}/answer", "post"),
        ("/v1/erasures", "post"),
        ("/v1/erasures/{id}/decision", "post"),
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

/// The names of all fields that a schema has, however deep.
fn fields(schema: &Value, schemas: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
                fields(&schemas[name], schemas, found);
            }
            found.extend(schema["properties"].as_object().into_iter().flat_map(|all| all.keys().cloned()));
            object.values().for_each(|inner| fields(inner, schemas, found));
        }
        Value::Array(all) => all.iter().for_each(|inner| fields(inner, schemas, found)),
        _ => {}
    }
}

#[tokio::test]
async fn only_the_feed_of_health_codes_takes_a_colour() {
    let gateway = Gateway::start().await;
    let document = gateway.get("/openapi.json").await.ok();
    let mut takers = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let (mut found, schemas) = (BTreeSet::new(), &document["components"]["schemas"]);
            fields(&operation["requestBody"], schemas, &mut found);
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            found.extend(parameters.filter_map(|parameter| parameter["name"].as_str().map(str::to_owned)));
            if found.contains("colour") {
                takers.push(format!("{method} {path}"));
            }
            // What the document does not name is refused, not overlooked.
            if method == "post" && !found.contains("colour") {
                let (kind, body) = ("application/x-ndjson", "{\"colour\":\"green\"}");
                let single = operation["requestBody"]["content"].get(kind).is_none();
                // An alert's identity begins with its district; an application's may be any.
                let path = [("{id}", "00310101-0000-8000-8000-000000000007"), ("{venue}", "7"), ("{person}", PERSON)]
                    .iter()
                    .fold(path.clone(), |path, (name, value)| path.replace(name, value));
                let answer = gateway.post(&path, if single { "application/json" } else { kind }, body).await;
                assert!(answer.text.contains("unknown-field"), "{path}: {}", answer.text);
            }
        }
    }
    // The second one only says what another account has to have sent as well.
    assert_eq!(takers, ["post /v1/health-codes:batch", "post /v1/health-proposals/{id}/release"]);
    gateway.stop().await;
}

#[tokio::test]
async fn what_does_not_exist_is_a_problem_too() {
    let gateway = Gateway::start().await;
    assert_eq!(gateway.get("/v1/nothing").await.refusal(), (404, "not-found".to_owned(), None));
    assert_eq!(gateway.get("/v1/scans").await.refusal(), (405, "method-not-allowed".to_owned(), None));
    gateway.stop().await;
}
