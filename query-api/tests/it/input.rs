//! Wrong requests are refused, and the answer says what is wrong.

use serde_json::json;

use crate::city::{City, MIDNIGHT, RELEASE, at, person, problem, range};

fn named(kind: &str, field: &str) -> (String, String) {
    (kind.to_owned(), field.to_owned())
}

#[tokio::test]
async fn a_wrong_query_parameter_is_named() {
    let city = City::new().await;
    let api = city.api().await;
    let (time, who) = (range(0, 60), person(1));
    let visits = format!("/v1/persons/{who}/visits");
    let long = format!("from=2022-01-01T00:00:00Z&to={}", at(MIDNIGHT));
    for (path, kind, field) in [
        (format!("/v1/persons/1ABCDEF012345678/visits?{time}"), "invalid-field", "person"),
        (format!("/v1/persons/0123456789abcdef/visits?{time}"), "invalid-field", "person"),
        (format!("/v1/persons/%ff/visits?{time}"), "invalid-field", "person"),
        (format!("{visits}?to={}", at(MIDNIGHT)), "missing-field", "from"),
        (format!("{visits}?from={}", at(MIDNIGHT)), "missing-field", "to"),
        (format!("{visits}?from=&to={}", at(MIDNIGHT)), "invalid-field", "from"),
        (format!("{visits}?from=2022-05-23T08:00:00+08:00&to={}", at(MIDNIGHT)), "invalid-field", "from"),
        (format!("{visits}?{}", range(60, 60)), "invalid-field", "to"),
        (format!("{visits}?{}", range(60, 0)), "invalid-field", "to"),
        (format!("{visits}?{time}&limit=0"), "invalid-field", "limit"),
        (format!("{visits}?{time}&limit=10001"), "invalid-field", "limit"),
        (format!("{visits}?{time}&limit=x"), "invalid-field", "limit"),
        (format!("{visits}?{time}&release=7"), "invalid-field", "release"),
        (format!("{visits}?{time}&colour=red"), "unknown-field", "colour"),
        (format!("{visits}?{time}&{time}"), "unknown-field", "from"),
        (format!("/v1/venues/x/visitors?{time}"), "invalid-field", "id"),
        (format!("/v1/venues/-1/visitors?{time}"), "invalid-field", "id"),
        (format!("/v1/venues/4294967296/visitors?{time}"), "invalid-field", "id"),
        (format!("/v1/venues/1/visitors?{time}&id=1"), "unknown-field", "id"),
        (format!("/v1/footfall?id=1&step=hour&{time}"), "missing-field", "scope"),
        (format!("/v1/footfall?scope=street&id=1&step=hour&{time}"), "invalid-field", "scope"),
        (format!("/v1/footfall?scope=venue&step=hour&{time}"), "missing-field", "id"),
        (format!("/v1/footfall?scope=venue&id=x&step=hour&{time}"), "invalid-field", "id"),
        (format!("/v1/footfall?scope=district&id=31010&step=hour&{time}"), "invalid-field", "id"),
        (format!("/v1/footfall?scope=category&id=&step=hour&{time}"), "invalid-field", "id"),
        (format!("/v1/footfall?scope=city&id=atlantis&step=hour&{time}"), "invalid-field", "id"),
        (format!("/v1/footfall?scope=city&{time}"), "missing-field", "step"),
        (format!("/v1/footfall?scope=city&step=week&{time}"), "invalid-field", "step"),
        (format!("/v1/footfall?scope=city&step=minute&{long}"), "too-many-buckets", "step"),
        ("/v1/stats?since=1".to_owned(), "unknown-field", "since"),
    ] {
        assert_eq!(problem(api.get(&path).await, 422).await, named(kind, field), "{path}");
    }
    api.ok(&format!("/v1/footfall?scope=city&step=hour&{long}")).await;
}

#[tokio::test]
async fn a_wrong_field_of_a_trace_is_named() {
    let city = City::new().await;
    let api = city.api().await;
    let good =
        json!({"person": person(1).to_string(), "from": at(MIDNIGHT), "to": at(MIDNIGHT + 60), "release": RELEASE});
    api.trace(good.clone()).await;
    for (field, value, kind) in [
        ("person", json!(null), "missing-field"),
        ("person", json!("1234"), "invalid-field"),
        ("person", json!(12), "invalid-field"),
        ("from", json!(null), "missing-field"),
        ("from", json!(1_653_235_200), "invalid-field"),
        ("to", json!("soon"), "invalid-field"),
        ("to", json!(at(MIDNIGHT)), "invalid-field"),
        ("window_minutes", json!(0), "invalid-field"),
        ("window_minutes", json!(1_441), "invalid-field"),
        ("window_minutes", json!(2.5), "invalid-field"),
        ("limit", json!(0), "invalid-field"),
        ("hops", json!(0), "invalid-field"),
        ("hops", json!(4), "invalid-field"),
        ("rule", json!("guess"), "invalid-field"),
        ("halving_minutes", json!(0), "invalid-field"),
        ("hop_percent", json!(101), "invalid-field"),
        ("coverage", json!("yes"), "invalid-field"),
        ("persons", json!([person(2)]), "invalid-field"),
        ("persons", json!("1"), "invalid-field"),
        ("venues", json!([7]), "invalid-field"),
        ("venues", json!([{"venue": 7, "from": at(MIDNIGHT - 1)}]), "invalid-field"),
        ("venues", json!([{"venue": 7, "to": at(MIDNIGHT + 61)}]), "invalid-field"),
        ("venues", json!([{"venue": 7, "from": at(MIDNIGHT + 5), "to": at(MIDNIGHT + 5)}]), "invalid-field"),
        ("venues", json!(vec![json!({"venue": 7}); 21]), "invalid-field"),
        ("venues", json!([{"venue": 7}, {"venue": 8}, {"venue": 7}]), "invalid-field"),
        (
            "venues",
            json!([{"venue": 7, "to": at(MIDNIGHT + 6)}, {"venue": 7, "from": at(MIDNIGHT + 5)}]),
            "invalid-field",
        ),
        ("colour", json!("red"), "unknown-field"),
        ("release", json!("7"), "invalid-field"),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let answer = api.post("/v1/traces", "application/json", body.to_string()).await;
        assert_eq!(problem(answer, 422).await, named(kind, field), "{body}");
    }
    let time = json!({"from": at(MIDNIGHT), "to": at(MIDNIGHT + 60), "release": RELEASE});
    for (field, value, kind, named_field) in [
        ("persons", json!([]), "missing-field", "person"),
        ("persons", json!([person(1), person(1)]), "invalid-field", "persons"),
        ("persons", json!([1]), "invalid-field", "persons"),
        ("persons", json!((1..=21).map(person).collect::<Vec<_>>()), "invalid-field", "persons"),
        ("venues", json!([{"from": at(MIDNIGHT)}]), "missing-field", "venue"),
        ("venues", json!([{"venue": -1}]), "invalid-field", "venue"),
        ("venues", json!([{"venue": 7, "when": at(MIDNIGHT)}]), "unknown-field", "when"),
    ] {
        let mut body = time.clone();
        body[field] = value;
        let answer = api.post("/v1/traces", "application/json", body.to_string()).await;
        assert_eq!(problem(answer, 422).await, named(kind, named_field), "{body}");
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_with_the_right_status() {
    let city = City::new().await;
    let api = city.api().await;
    let post = async |content_type: &'static str, body: String, status: u16| {
        problem(api.post("/v1/traces", content_type, body).await, status).await.0
    };
    assert_eq!(post("application/json", "{\"person\":".to_owned(), 400).await, "malformed-json");
    assert_eq!(post("application/json", String::new(), 400).await, "malformed-json");
    assert_eq!(post("application/json", "[]".to_owned(), 422).await, "invalid-field");
    assert_eq!(post("text/plain", "{}".to_owned(), 415).await, "unsupported-media-type");
    let long = format!("{{\"person\":\"{}\"}}", "1".repeat(70_000));
    assert_eq!(post("application/json", long, 413).await, "body-too-large");
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let city = City::new().await;
    let api = city.api().await;
    assert_eq!(problem(api.get("/v2/traces").await, 404).await.0, "not-found");
    assert_eq!(problem(api.get("/v1/persons").await, 404).await.0, "not-found");
    assert_eq!(problem(api.get("/v1/traces").await, 405).await.0, "method-not-allowed");
}

#[tokio::test]
async fn no_problem_repeats_a_person() {
    let city = City::new().await;
    let api = city.api().await;
    let almost = "1ABCDEF012345678";
    let answer = api.get(&format!("/v1/persons/{almost}/visits?{}", range(0, 60))).await;
    assert!(!answer.text().await.expect("a body").contains(almost));
    let body = json!({"person": almost, "from": at(MIDNIGHT), "to": at(MIDNIGHT + 60)}).to_string();
    let answer = api.post("/v1/traces", "application/json", body).await;
    assert!(!answer.text().await.expect("a body").contains(almost));
}
