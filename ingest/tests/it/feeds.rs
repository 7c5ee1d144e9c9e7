//! The feeds of health codes, tests and venues.

use schemas::{HealthEvent, TestEvent, VenueEvent};
use serde_json::{Value, json};

use crate::gateway::{Gateway, ID_CARD, PERSON, ago, venue_line};

/// A line with one field replaced, or taken out by `null`.
fn with(line: &Value, field: &str, value: Value) -> Value {
    let mut line = line.clone();
    if value.is_null() {
        line.as_object_mut().expect("an object").remove(field);
    } else {
        line[field] = value;
    }
    line
}

/// Sends a good line and one bad line per fault; each bad one names its field, and only the good one is stored.
async fn check_faults(gateway: &Gateway, path: &str, topic: &str, good: &Value, faults: &[(&str, Value, &str)]) {
    let mut lines = vec![good.clone()];
    lines.extend(faults.iter().map(|(field, value, _)| with(good, field, value.clone())));
    let answer = gateway.batch(path, &lines).await.ok();
    assert_eq!(answer["accepted"], 1, "{answer}");
    assert_eq!(answer["lines"][0]["line"], 1, "{answer}");
    for (at, (field, value, named)) in faults.iter().enumerate() {
        let outcome = &answer["lines"][at + 1];
        assert_eq!(outcome["problem"]["status"], 422, "{field} = {value}: {outcome}");
        assert_eq!(outcome["problem"]["field"], *named, "{field} = {value}: {outcome}");
    }
    assert_eq!(gateway.messages(topic).await.len(), 1);
}

#[tokio::test]
async fn venues_are_checked_stored_and_answered_with_their_code() {
    let gateway = Gateway::start().await;
    let mut good = venue_line(7);
    for (field, value) in [
        ("door", json!("东门")),
        ("latitude", json!(31.23)),
        ("longitude", json!(121.47)),
        ("serial", json!(2)),
        ("status", json!("active")),
    ] {
        good[field] = value;
    }
    let faults = [
        ("venue", json!(-1), "venue"),
        ("venue", json!("7"), "venue"),
        ("name", json!("  "), "name"),
        ("name", json!("馆".repeat(101)), "name"),
        ("name", json!("a\u{1b}[31m"), "name"),
        ("name", Value::Null, "name"),
        ("category", json!("teahouse"), "category"),
        ("district", json!(3101), "district"),
        ("district", json!("310101"), "district"),
        ("address", json!(""), "address"),
        ("organisation", json!("91310000MA1FL0000A"), "organisation"),
        ("latitude", json!(91), "latitude"),
        ("longitude", Value::Null, "longitude"),
        ("longitude", json!(-180.5), "longitude"),
        ("serial", json!(256), "serial"),
        ("status", json!("closed"), "status"),
        ("phone", json!("1"), "phone"),
    ];
    check_faults(&gateway, "/v1/venues:batch", "venues", &good, &faults).await;
    let (key, value) = gateway.messages("venues").await.remove(0);
    let event = VenueEvent::try_parse(value.as_bytes()).expect("a venue");
    assert_eq!((key.as_str(), event.venue, event.serial), ("7", 7, 2));
    assert_eq!((event.door.as_deref(), event.latitude, event.longitude), (Some("东门"), Some(31.23), Some(121.47)));

    let answer = gateway.batch("/v1/venues:batch", &[good]).await.ok();
    let code = gateway.code(7, 2);
    let url = format!("HTTPS://CODE.EXAMPLE/V/{code}");
    assert_eq!(answer["lines"], json!([{"line": 1, "venue": 7, "code": code, "url": url}]));
    let answer = gateway.batch("/v1/venues:batch", &[with(&venue_line(8), "category", json!("zoo"))]).await.ok();
    let detail = answer["lines"][0]["problem"]["detail"].as_str().expect("a detail").to_owned();
    assert!(detail.contains("catering") && detail.contains("shanghai"), "{detail}");
    gateway.stop().await;
}

#[tokio::test]
async fn health_codes_are_checked_and_stored() {
    let gateway = Gateway::start().await;
    let good = json!({"person": PERSON, "colour": "red", "since": ago(60), "expires_at": ago(-86_400), "issuer": "上海疾控", "evidence": "E1", "reason": "密接"});
    let faults = [
        ("person", Value::Null, "person"),
        ("document", json!({"type": "id_card", "number": ID_CARD}), "document"),
        ("colour", json!("blue"), "colour"),
        ("colour", json!("unknown"), "colour"),
        ("since", json!("yesterday"), "since"),
        ("since", json!(ago(-3600)), "since"),
        ("since", json!("1999-12-31T23:59:59Z"), "since"),
        ("expires_at", json!(ago(3600)), "expires_at"),
        ("expires_at", json!("2100-01-01T00:00:00Z"), "expires_at"),
        ("issuer", json!(""), "issuer"),
        ("evidence", Value::Null, "evidence"),
        ("reason", json!("a\nb"), "reason"),
        ("name", json!("x"), "name"),
    ];
    check_faults(&gateway, "/v1/health-codes:batch", "health", &good, &faults).await;
    let (key, value) = gateway.messages("health").await.remove(0);
    let event = HealthEvent::try_parse(value.as_bytes()).expect("a health-code change");
    assert_eq!((key.as_str(), event.person.to_string().as_str()), (PERSON, PERSON));
    gateway.stop().await;
}

#[tokio::test]
async fn tests_are_checked_and_stored() {
    let gateway = Gateway::start().await;
    let good = json!({"person": PERSON, "sampled_at": ago(7200), "resulted_at": ago(60), "result": "negative", "laboratory": "华山医院"});
    let faults = [
        ("person", json!("0123456789abcdef"), "person"),
        ("sampled_at", json!(ago(-3600)), "sampled_at"),
        ("resulted_at", json!(ago(7300)), "resulted_at"),
        ("resulted_at", json!(ago(-3600)), "resulted_at"),
        ("result", json!("none"), "result"),
        ("result", json!(true), "result"),
        ("laboratory", json!("\t"), "laboratory"),
        ("colour", json!("green"), "colour"),
    ];
    check_faults(&gateway, "/v1/tests:batch", "tests", &good, &faults).await;
    let (key, value) = gateway.messages("tests").await.remove(0);
    let event = TestEvent::try_parse(value.as_bytes()).expect("a test result");
    assert_eq!((key.as_str(), event.laboratory.as_str()), (PERSON, "华山医院"));
    gateway.stop().await;
}

#[tokio::test]
async fn the_newest_colour_and_test_count_in_whatever_order_they_come() {
    let gateway = Gateway::start().await;
    gateway.load_venue(7).await;
    let colour = |colour, since| json!({"person": PERSON, "colour": colour, "since": ago(since), "issuer": "CDC", "evidence": "E", "reason": "R"});
    let test = |result, sampled| json!({"person": PERSON, "sampled_at": ago(sampled), "resulted_at": ago(0), "result": result, "laboratory": "L"});
    gateway.batch("/v1/tests:batch", &[test("negative", 100), test("positive", 5000)]).await.ok();
    gateway.batch("/v1/health-codes:batch", &[colour("green", 100), colour("red", 5000)]).await.ok();
    let answer = gateway.scan(&json!({"venue": 7, "person": PERSON})).await.ok();
    assert_eq!((&answer["verdict"], &answer["colour"]), (&json!("admit"), &json!("green")), "{answer}");
    gateway.stop().await;
}
