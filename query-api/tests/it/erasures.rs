//! `GET /v1/erasures`, `GET /v1/erasures/{id}`, its signed report and the keys to verify it.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use reqwest::Method;
use schemas::access::{Role, Scope};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::city::{Api, City, MIDNIGHT, at, json as json_of, problem};

const DIGEST: &str = "00112233445566778899aabbccddeeff";
const MS: i64 = MIDNIGHT * 1000;

/// An erasure of the district in its identity.
pub fn id(district: u128, number: u128) -> Uuid {
    Uuid::from_u128(district << 96 | 0x8000_8000_0000_0000_0000 | number)
}

async fn get(api: &Api, district: Option<u32>, path: &str) -> reqwest::Response {
    let (scope, now) = (Scope { district, ..Scope::default() }, chrono::Utc::now().timestamp());
    let token = api.issuer.issue(Role::Supervisor, "it", scope, now, 600).expect("a token");
    api.bare_request(Method::GET, path).bearer_auth(token).send().await.expect("an answer")
}

/// A record of an erasure in 310101 that was asked for by `li`.
fn row(id: Uuid, revision: u32, action: &str, state: &str, more: Value) -> String {
    let mut row = json!({"erasure_id": id, "revision": revision, "district": 310_101, "action": action,
        "at_ms": MS + i64::from(revision), "sender": "", "refused": "", "state": state, "digest": DIGEST,
        "basis": "consent_withdrawn", "evidence": "E-1", "asked_at_ms": MS, "asked_by": "li",
        "expires_at_ms": MS + 3_600_000, "confirmed_by": "", "declined_by": "", "declined_for": ""});
    row.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    row.to_string()
}

/// The records of an erasure that was carried out.
pub fn done(id: Uuid) -> Vec<String> {
    let confirmed = json!({"sender": "wu", "command_id": Uuid::from_u128(2), "confirmed_at_ms": MS + 60_000,
        "confirmed_by": "wu", "erased_before_ms": MS + 60_000});
    let mut finished = confirmed.clone();
    finished.as_object_mut().expect("an object").extend(
        json!({"sender": "", "command_id": null, "done_at_ms": MS + 90_000, "removed_tables": ["scan_ids", "alerts"],
            "removed_rows": [3, 1], "remains_topics": ["scans", "applications"], "remains_until_ms": [MS + 86_400_000, 0]})
        .as_object()
        .expect("an object")
        .clone(),
    );
    vec![
        row(id, 1, "ask", "asked", json!({"sender": "li", "command_id": Uuid::from_u128(1)})),
        row(
            id,
            2,
            "confirm",
            "asked",
            json!({"sender": "li", "command_id": Uuid::from_u128(3), "refused": "own_request"}),
        ),
        row(id, 3, "confirm", "confirmed", confirmed),
        row(id, 4, "done", "done", finished),
    ]
}

pub async fn store(city: &City, rows: &[String]) {
    city.run(&format!("INSERT INTO erasures FORMAT JSONEachRow {}", rows.join("\n"))).await;
}

#[tokio::test]
async fn an_erasure_says_who_asked_and_who_confirmed_and_not_whom_it_is_of() {
    let city = City::new().await;
    let erasure = id(0x0031_0101, 1);
    let rows = done(erasure);
    store(&city, &rows).await;
    // A record that was put out again changes nothing.
    store(&city, &rows[1..3]).await;
    let api = city.api().await;
    let answer = get(&api, None, &format!("/v1/erasures/{erasure}")).await;
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await.expect("JSON");
    assert_eq!((&answer["state"], &answer["district"]), (&json!("done"), &json!(310_101)));
    assert_eq!((&answer["digest"], &answer["basis_name"]["en"]), (&json!(DIGEST), &json!("Consent was withdrawn")));
    assert_eq!((&answer["asked_by"], &answer["confirmed_by"]), (&json!("li"), &json!("wu")));
    assert_eq!((&answer["erased_before"], &answer["done_at"]), (&json!(at(MIDNIGHT + 60)), &json!(at(MIDNIGHT + 90))));
    assert_eq!(answer["declined_at"], Value::Null);
    assert_eq!(answer["removed"], json!([{"table": "scan_ids", "rows": 3}, {"table": "alerts", "rows": 1}]));
    let remains = json!([{"topic": "scans", "until": at(MIDNIGHT + 86_400)}, {"topic": "applications", "until": null}]);
    assert_eq!(answer["remains"], remains);
    let history: Vec<_> =
        answer["history"].as_array().expect("a list").iter().map(|e| (&e["action"], &e["by"], &e["refused"])).collect();
    let text = |text: &str| json!(text);
    let (ask, confirm, done, li, wu) = (text("ask"), text("confirm"), text("done"), text("li"), text("wu"));
    let (none, own) = (Value::Null, text("own_request"));
    assert_eq!(history, [(&ask, &li, &none), (&confirm, &li, &own), (&confirm, &wu, &none), (&done, &none, &none)]);

    let unknown = get(&api, None, &format!("/v1/erasures/{}", id(0x0031_0101, 9))).await;
    assert_eq!(problem(unknown, 404).await, ("unknown-erasure".to_owned(), "id".to_owned()));
    assert_eq!(problem(get(&api, None, "/v1/erasures/7").await, 422).await.1, "id");
}

#[tokio::test]
async fn a_district_sees_its_own_erasures_and_the_newest_state_of_each() {
    let city = City::new().await;
    let (own, other) = (id(0x0031_0101, 1), id(0x0031_0104, 2));
    store(&city, &done(own)).await;
    store(&city, &[row(other, 1, "ask", "asked", json!({"district": 310_104, "asked_at_ms": MS + 1000}))]).await;
    let api = city.api().await;
    let since = format!("?since={}", at(MIDNIGHT + 1));
    for (district, question, expected) in [
        (None, "", vec![other, own]),
        (Some(310_101), "", vec![own]),
        (Some(3101), "", vec![other, own]),
        (None, "?district=310104", vec![other]),
        (None, "?state=done", vec![own]),
        (None, "?state=asked", vec![other]),
        (None, "?limit=1", vec![other]),
        (None, since.as_str(), vec![other]),
    ] {
        let answer = get(&api, district, &format!("/v1/erasures{question}")).await;
        let answer = json_of(answer, 200).await;
        let listed: Vec<_> =
            answer["erasures"].as_array().expect("a list").iter().map(|e| e["erasure"].clone()).collect();
        assert_eq!(json!(listed), json!(expected), "{district:?} {question}");
        assert_eq!(answer["truncated"], json!(question == "?limit=1"));
    }
    for path in [format!("/v1/erasures/{other}"), format!("/v1/erasures/{other}/report")] {
        let refused = problem(get(&api, Some(310_101), &path).await, 403).await;
        assert_eq!(refused, ("out-of-scope".to_owned(), "id".to_owned()), "{path}");
    }
    assert_eq!(problem(get(&api, None, "/v1/erasures?state=over").await, 422).await.1, "state");
}

#[tokio::test]
async fn a_report_is_verified_with_the_published_key_alone_and_names_nobody() {
    let city = City::new().await;
    let erasure = id(0x0031_0101, 1);
    let rows = done(erasure);
    store(&city, &rows[..3]).await;
    let api = city.api().await;
    let path = format!("/v1/erasures/{erasure}/report");
    let early = problem(get(&api, None, &path).await, 409).await;
    assert_eq!(early, ("erasure-not-done".to_owned(), "id".to_owned()), "nothing is signed before it is carried out");
    store(&city, &rows[3..]).await;
    let answer = get(&api, None, &path).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/jose");
    let report = answer.text().await.expect("text");

    // As whoever was given the report verifies it, without a token.
    let keys = api.bare_request(Method::GET, "/v1/reports/keys").send().await.expect("an answer");
    let keys: Value = keys.json().await.expect("JSON");
    let part = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64url");
    let (message, signature) = report.rsplit_once('.').expect("three parts");
    let (head, body) = message.split_once('.').expect("three parts");
    let head: Value = serde_json::from_slice(&part(head)).expect("JSON");
    let key = keys["keys"].as_array().expect("a list").iter().find(|key| key["kid"] == head["kid"]).expect("its key");
    assert_eq!((&head["alg"], &head["typ"]), (&json!("EdDSA"), &json!("erasure-report+jwt")));
    assert_eq!(key.get("d"), None, "the private part stays here");
    let key = UnparsedPublicKey::new(&ED25519, part(key["x"].as_str().expect("a text")));
    key.verify(message.as_bytes(), &part(signature)).expect("it is signed");
    let other = message.replace(body, &BASE64_URL_SAFE_NO_PAD.encode("{}"));
    assert!(key.verify(other.as_bytes(), &part(signature)).is_err(), "nothing else is");

    let claims: Value = serde_json::from_slice(&part(body)).expect("JSON");
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!("venuecode"), &json!(erasure)));
    assert_eq!((&claims["digest"], &claims["evidence"]), (&json!(DIGEST), &json!("E-1")));
    assert_eq!((&claims["erased_before"], &claims["done_at"]), (&json!(MIDNIGHT + 60), &json!(MIDNIGHT + 90)));
    assert_eq!(claims["removed"], json!([{"table": "scan_ids", "rows": 3}, {"table": "alerts", "rows": 1}]));
    let remains = json!([
        {"topic": "scans", "until": MIDNIGHT + 86_400, "because": "the city's retention, 14 days at most"},
        {"topic": "applications", "until": null, "because": "for good: the registry is a fold over all of it"}
    ]);
    assert_eq!(claims["remains"], remains);
    assert!(claims["provided"].as_str().is_some_and(|text| text.contains("settings")), "{claims}");
    let elsewhere = claims["elsewhere"].as_array().expect("a list");
    let says = |what: &str| elsewhere.iter().any(|it| it["place"].as_str().is_some_and(|place| place.contains(what)));
    for what in ["guardian", "embedded Kafka", "snapshots", "parts of tables", "log of queries", "backups"] {
        assert!(says(what), "{what}: {claims}");
    }
    let kept: Vec<_> = claims["kept"].as_array().expect("a list").iter().map(|kept| &kept["table"]).collect();
    assert!(kept.contains(&&json!("audit_log")) && kept.contains(&&json!("releases")), "{kept:?}");
    let text = claims.to_string();
    assert!(!text.contains("\"li\"") && !text.contains("\"wu\""), "accounts stay in the office: {text}");
}
