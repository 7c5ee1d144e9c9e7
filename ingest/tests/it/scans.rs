//! `POST /v1/scans`

use schemas::{Colour, Direction, Exemption, Method, Verdict};
use serde_json::{Value, json};

use crate::gateway::{Gateway, ID_CARD, PERSON, ago, venue_line};

#[tokio::test]
async fn a_healthy_person_is_let_in_and_the_scan_is_stored_as_it_was_answered() {
    let gateway = Gateway::start().await;
    let code = gateway.load_venue(7).await;
    gateway.load_healthy(PERSON).await;

    let answer = gateway.scan(&json!({"code": code, "person": PERSON})).await.ok();
    assert_eq!((&answer["verdict"], &answer["colour"]), (&json!("admit"), &json!("green")), "{answer}");
    assert_eq!(answer["venue"], json!({"id": 7, "name": "茶馆 7", "address": "福州路1号", "door": null}));
    assert_eq!(answer["message"], json!({"zh": "绿码，请通行", "en": "Green code, please enter"}));
    assert_eq!(answer["speech"], answer["message"]);
    assert_eq!(answer["unavailable"], json!([]));
    assert_eq!(answer["last_test"]["result"], "negative");
    assert!(answer["health_age_s"].as_i64().is_some_and(|s| (0..30).contains(&s)), "{answer}");
    let time = |value: &Value| schema_time(value.as_str().expect("a time"));
    assert_eq!(time(&answer["health_since"]) / 100, schema_time(&ago(86_400)) / 100);
    assert_eq!(time(&answer["last_test"]["sampled_at"]) / 100, schema_time(&ago(3600)) / 100);

    let stored = gateway.stored_scans().await;
    assert_eq!(stored.len(), 1);
    let scan = &stored[0];
    assert_eq!(answer["receipt"], scan.event_id.to_string());
    assert_eq!(time(&answer["scanned_at"]), scan.scanned_at);
    assert_eq!((scan.venue, scan.person.to_string().as_str()), (7, PERSON));
    assert_eq!((scan.method, scan.direction, scan.exemption), (Method::VenueCode, Direction::Entry, Exemption::None));
    assert_eq!((scan.verdict, scan.colour), (Verdict::Admit, Colour::Green));
    gateway.stop().await;
}

fn schema_time(text: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(text).expect("RFC 3339").timestamp()
}

#[tokio::test]
async fn each_refusal_says_why() {
    let gateway = Gateway::start().await;
    gateway.load_venue(7).await;
    let home = json!({"venue": 8, "name": "小区", "category": "residential_compound", "district": 310_101, "address": "福州路2号"});
    gateway.batch("/v1/venues:batch", &[home]).await.ok();
    let person = |n: u8| format!("1{n:015x}");
    let colour = |n, colour, expires: Option<String>| json!({"person": person(n), "colour": colour, "since": ago(86_400), "expires_at": expires, "issuer": "CDC", "evidence": "E", "reason": "R"});
    let tested = |n, hours: i64, result| json!({"person": person(n), "sampled_at": ago(hours * 3600), "resulted_at": ago(0), "result": result, "laboratory": "L"});
    let health = [
        colour(1, "yellow", None),
        colour(2, "red", None),
        colour(3, "green", Some(ago(60))),
        colour(4, "green", None),
        colour(5, "green", None),
        colour(6, "green", None),
    ];
    let tests = [
        tested(1, 1, "negative"),
        tested(2, 1, "negative"),
        tested(3, 1, "negative"),
        tested(5, 49, "negative"),
        tested(6, 1, "positive"),
    ];
    assert_eq!(gateway.batch("/v1/health-codes:batch", &health).await.ok()["accepted"], 6);
    assert_eq!(gateway.batch("/v1/tests:batch", &tests).await.ok()["accepted"], 5);

    let table = [
        (7, 1, "refuse", vec!["colour_yellow"], "yellow"),
        (7, 2, "refuse", vec!["colour_red"], "red"),
        (7, 3, "refuse", vec!["health_expired"], "unknown"),
        (7, 4, "refuse", vec!["test_missing"], "green"),
        (7, 5, "refuse", vec!["test_too_old"], "green"),
        (7, 6, "refuse", vec!["test_positive"], "green"),
        (7, 9, "refuse", vec!["health_unknown", "test_missing"], "unknown"),
        (8, 4, "admit", vec![], "green"),
    ];
    for (venue, n, verdict, reasons, colour) in table {
        let answer = gateway.scan(&json!({"venue": venue, "person": person(n)})).await.ok();
        assert_eq!(answer["verdict"], verdict, "{answer}");
        assert_eq!(answer["reasons"], json!(reasons), "{answer}");
        assert_eq!(answer["colour"], colour, "{answer}");
    }
    let answer = gateway.scan(&json!({"venue": 7, "person": person(4), "exemption": "urgent_medical"})).await.ok();
    assert_eq!((&answer["verdict"], &answer["reasons"]), (&json!("admit"), &json!(["test_missing", "exempted"])));
    let answer = gateway.scan(&json!({"venue": 8, "person": person(4), "symptoms": true})).await.ok();
    assert_eq!((&answer["verdict"], &answer["reasons"]), (&json!("refuse"), &json!(["symptoms"])));
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_named_and_nothing_is_stored() {
    let gateway = Gateway::start().await;
    let code = gateway.load_venue(7).await;
    let forged = format!("{}{}", &code[..16], if code.ends_with('0') { '1' } else { '0' });
    let document = |number: &str| json!({"type": "id_card", "number": number});
    let person = PERSON;

    let table = [
        (json!({"code": forged, "person": person}), 422, "mistyped-code", Some("code")),
        (json!({"code": "nonsense", "person": person}), 422, "mistyped-code", Some("code")),
        (json!({"code": 7, "person": person}), 422, "invalid-field", Some("code")),
        (json!({"code": gateway.code(99, 0), "person": person}), 404, "unknown-venue", Some("code")),
        (json!({"venue": 99, "person": person}), 404, "unknown-venue", Some("venue")),
        (json!({"venue": -1, "person": person}), 422, "invalid-field", Some("venue")),
        (json!({"code": gateway.code(7, 3), "person": person}), 409, "revoked-code", Some("code")),
        (json!({"code": code, "venue": 7, "person": person}), 422, "invalid-field", Some("venue")),
        (json!({"person": person}), 422, "missing-field", Some("code")),
        (json!({"venue": 7, "person": person, "document": document(ID_CARD)}), 422, "invalid-field", Some("document")),
        (json!({"venue": 7}), 422, "missing-field", Some("person")),
        (json!({"venue": 7, "person": "me"}), 422, "invalid-field", Some("person")),
        (
            json!({"venue": 7, "document": document("340524198001010016")}),
            422,
            "invalid-document",
            Some("document.number"),
        ),
        (json!({"venue": 7, "document": {"type": "id_card"}}), 422, "missing-field", Some("document.number")),
        (json!({"venue": 7, "document": {"type": "visa", "number": "1"}}), 422, "invalid-field", Some("document.type")),
        (json!({"venue": 7, "person": person, "scanned_at": ago(-70)}), 422, "invalid-field", Some("scanned_at")),
        (
            json!({"venue": 7, "person": person, "scanned_at": ago(30 * 86_400)}),
            422,
            "invalid-field",
            Some("scanned_at"),
        ),
        (json!({"venue": 7, "person": person, "scanned_at": 1_654_056_000}), 422, "invalid-field", Some("scanned_at")),
        (json!({"venue": 7, "person": person, "event_id": "1"}), 422, "invalid-field", Some("event_id")),
        (json!({"venue": 7, "person": person, "method": "telepathy"}), 422, "invalid-field", Some("method")),
        (json!({"venue": 7, "person": person, "direction": null}), 422, "invalid-field", Some("direction")),
        (json!({"venue": 7, "person": person, "temperature": 36.5}), 422, "unknown-field", Some("temperature")),
        (json!([7]), 422, "not-an-object", None),
    ];
    for (body, status, kind, field) in table {
        let answer = gateway.scan(&body).await;
        let refusal = (status, kind.to_owned(), field.map(str::to_owned));
        assert_eq!(answer.refusal(), refusal, "{body}");
        assert!(answer.problem().detail.is_some_and(|d| !d.is_empty()), "{body}");
    }

    let broken = gateway.post("/v1/scans", "application/json", "{\"venue\":7,").await;
    assert_eq!(broken.refusal(), (400, "malformed-json".to_owned(), None));
    let large = format!("{{\"venue\":7,\"person\":\"{person}\",\"method\":\"{}\"}}", "x".repeat(64 * 1024));
    let large = gateway.post("/v1/scans", "application/json", large).await;
    assert_eq!(large.refusal(), (413, "body-too-large".to_owned(), None));
    let fine = json!({"venue": 7, "person": person}).to_string();
    let typed = gateway.post("/v1/scans", "text/plain", fine.clone()).await;
    assert_eq!(typed.refusal(), (415, "unsupported-media-type".to_owned(), None));
    let encoded = gateway.request(reqwest::Method::POST, "/v1/scans").header("content-encoding", "br");
    let encoded = encoded.header("content-type", "application/json").body(fine).send().await.expect("an answer");
    assert_eq!(encoded.status(), 415);

    assert_eq!(gateway.stored_scans().await, []);
    gateway.stop().await;
}

#[tokio::test]
async fn a_closed_venue_takes_no_scans() {
    let gateway = Gateway::start().await;
    let code = gateway.load_venue(7).await;
    let mut closed = crate::gateway::venue_line(7);
    closed["status"] = "revoked".into();
    gateway.batch("/v1/venues:batch", &[closed]).await.ok();
    let refusal = gateway.scan(&json!({"code": code, "person": PERSON})).await.refusal();
    assert_eq!(refusal, (409, "revoked-code".to_owned(), Some("code".to_owned())));
    let refusal = gateway.scan(&json!({"venue": 7, "person": PERSON})).await.refusal();
    assert_eq!(refusal, (409, "revoked-code".to_owned(), Some("venue".to_owned())));
    gateway.stop().await;
}

#[tokio::test]
async fn the_same_scan_sent_twice_has_the_same_receipt() {
    let gateway = Gateway::start().await;
    gateway.load_venue(7).await;
    let scan = json!({"venue": 7, "person": PERSON, "scanned_at": ago(5)});
    let receipt = gateway.scan(&scan).await.ok()["receipt"].clone();
    assert_eq!(gateway.scan(&scan).await.ok()["receipt"], receipt);
    let own = json!({"venue": 7, "person": PERSON, "event_id": "0190163d-8694-739b-aea5-966c26f8ad91"});
    assert_eq!(gateway.scan(&own).await.ok()["receipt"], own["event_id"]);
    let stored = gateway.stored_scans().await;
    assert_eq!((stored.len(), stored[0].event_id), (3, stored[1].event_id));
    gateway.stop().await;
}

#[tokio::test]
async fn a_late_scan_is_recorded_without_a_verdict() {
    let gateway = Gateway::start().await;
    gateway.load_venue(7).await;
    gateway.load_healthy(PERSON).await;
    let answer = gateway.scan(&json!({"venue": 7, "person": PERSON, "scanned_at": ago(3600)})).await.ok();
    assert_eq!((&answer["verdict"], &answer["colour"]), (&json!("recorded"), &json!("unknown")), "{answer}");
    assert_eq!(
        (&answer["reasons"], &answer["last_test"], &answer["health_since"]),
        (&json!([]), &Value::Null, &Value::Null)
    );
    assert_eq!(answer["unavailable"], json!(["colour", "health_since", "last_test"]), "not looked up, so not denied");
    let stored = gateway.stored_scans().await;
    assert_eq!((stored[0].verdict, stored[0].colour), (Verdict::Recorded, Colour::Unknown));
    gateway.stop().await;
}

#[tokio::test]
async fn a_document_and_its_person_key_are_the_same_person() {
    let gateway = Gateway::start().await;
    gateway.load_venue(7).await;
    let document = json!({"type": "id_card", "number": " 340524 19800101 001x "});
    let scan = json!({"venue": 7, "document": document, "method": "sentinel_id_card"});
    gateway.scan(&scan).await.ok();
    let person = gateway.stored_scans().await[0].person.to_string();
    gateway.load_healthy(&person).await;
    assert_eq!(gateway.scan(&scan).await.ok()["verdict"], "admit");
    gateway.stop().await;
}

#[tokio::test]
async fn a_phone_far_from_the_venue_is_flagged_and_where_it_was_is_kept_nowhere() {
    let gateway = Gateway::start().await;
    let mut lines = [7, 9].map(venue_line);
    (lines[0]["latitude"], lines[0]["longitude"]) = (31.2304.into(), 121.4737.into());
    assert_eq!(gateway.batch("/v1/venues:batch", &lines).await.ok()["accepted"], 2);
    gateway.load_healthy(PERSON).await;
    let mut expected = Vec::new();
    for (nth, (venue, at, is_far)) in [
        (7, None, false),
        (7, Some((31.2404, 121.4737)), false),
        (7, Some((31.3304, 121.4737)), true),
        (7, Some((-31.2304, -121.4737)), true),
        (9, Some((31.3304, 121.4737)), false),
    ]
    .into_iter()
    .enumerate()
    {
        let mut scan = json!({"venue": venue, "person": PERSON, "scanned_at": ago(10 * nth as i64)});
        if let Some((latitude, longitude)) = at {
            (scan["latitude"], scan["longitude"]) = (latitude.into(), longitude.into());
        }
        let answer = gateway.scan(&scan).await.ok();
        assert_eq!((&answer["verdict"], &answer["colour"]), (&json!("admit"), &json!("green")), "it changes nothing");
        assert!(!answer.to_string().contains("far"), "and is told to nobody at the door");
        expected.push((scan["scanned_at"].clone(), is_far));
    }
    let mut stored: Vec<_> =
        gateway.stored_scans().await.iter().map(|scan| (scan.scanned_at, scan.far_from_venue)).collect();
    stored.sort_unstable();
    let mut expected: Vec<_> =
        expected.iter().map(|(at, is_far)| (schema_time(at.as_str().expect("a time")), *is_far)).collect();
    expected.sort_unstable();
    assert_eq!(stored, expected);
    for (_, message) in gateway.messages("scans").await {
        assert!(!["31.", "121.", "latitude"].iter().any(|part| message.contains(part)), "{message}");
    }
    for (field, value, named) in [
        ("latitude", json!(90.001), "latitude"),
        ("latitude", json!("31"), "latitude"),
        ("longitude", json!(-180.5), "longitude"),
        ("longitude", Value::Null, "longitude"),
        ("latitude", Value::Null, "latitude"),
    ] {
        let mut scan = json!({"venue": 7, "person": PERSON, "latitude": 31.2, "longitude": 121.4});
        scan[field] = value;
        let (status, _, field) = gateway.scan(&scan).await.refusal();
        assert_eq!((status, field.as_deref()), (422, Some(named)), "{scan}");
    }
    gateway.stop().await;
}
