//! `GET /v1/alerts` and `GET /v1/alerts/{id}`.

use reqwest::{Method, Response};
use schemas::{
    AlertEvent,
    access::{Role, Scope},
    events::AlertKind,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::city::{Api, City, MIDNIGHT, at, person, problem};

fn id(number: u128, district: u32) -> Uuid {
    AlertEvent::derive_id(district, Uuid::from_u128(number), AlertKind::AbnormalColour)
}

/// The row of an alert's state as the alert book writes it; alert n was raised n hours after midnight.
fn row(number: u64, district: u32, revision: u64, state: &str, more: &Value) -> Value {
    let raised_at_ms = (MIDNIGHT + number as i64 * 3600) * 1000;
    let mut row = json!({"alert_id": id(number.into(), district), "revision": revision, "district": district,
        "kind": "abnormal_colour", "source_id": Uuid::from_u128(number.into()), "venue_id": 7,
        "person_id": person(number).to_u64(), "scanned_at": raised_at_ms / 1000, "method": "venue_code",
        "verdict": "refuse", "colour": "red", "reasons": ["colour_red", "symptoms"], "raised_at_ms": raised_at_ms,
        "action": "raised", "at_ms": raised_at_ms, "sender": "", "refused": "", "state": state, "acknowledged_by": "",
        "disposed_by": "", "disposition": ""});
    for (field, value) in more.as_object().expect("an object") {
        row[field] = value.clone();
    }
    row
}

async fn store(city: &City, rows: &[Value]) {
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    city.run(&format!("INSERT INTO alerts FORMAT JSONEachRow {}", lines.join("\n"))).await;
}

async fn get(api: &Api, district: u32, path: &str) -> Response {
    let scope = Scope { district: Some(district), ..Scope::default() };
    let now = chrono::Utc::now().timestamp();
    let token = api.issuer.issue(Role::District, "office", scope, now, 600).expect("a token");
    api.bare_request(Method::GET, path).bearer_auth(token).send().await.expect("an answer")
}

#[tokio::test]
async fn an_alert_has_its_history_and_shows_the_person_masked() {
    let city = City::new().await;
    let command = Uuid::from_u128(99);
    let acknowledged = json!({"action": "acknowledge", "command_id": command, "sender": "li",
        "acknowledged_at_ms": MIDNIGHT * 1000 + 1, "acknowledged_by": "li"});
    let disposed = json!({"action": "dispose", "sender": "wu", "acknowledged_at_ms": MIDNIGHT * 1000 + 1,
        "acknowledged_by": "li", "disposed_at_ms": MIDNIGHT * 1000 + 2, "disposed_by": "wu", "disposition": "transferred"});
    let rows = [
        row(1, 310_101, 3, "raised", &json!({})),
        row(1, 310_101, 5, "acknowledged", &acknowledged),
        row(1, 310_101, 9, "disposed", &disposed),
    ];
    store(&city, &rows).await;
    // Written again after a crash.
    store(&city, &rows[1..]).await;
    city.name(7, "豫园商城", 1).await;
    let api = city.api().await;
    let alert = api.ok(&format!("/v1/alerts/{}", id(1, 310_101))).await;
    assert_eq!((&alert["state"], &alert["venue_name"]), (&json!("disposed"), &json!("豫园商城")), "{alert}");
    let key = person(1).to_string();
    assert_eq!(alert["person"], format!("************{}", &key[12..]));
    assert!(!alert.to_string().contains(&key), "whom it was of takes a release");
    assert_eq!(alert["disposition"], "transferred");
    assert_eq!(alert["disposition_name"]["zh"], "闭环转运");
    assert_eq!((&alert["acknowledged_by"], &alert["disposed_by"]), (&json!("li"), &json!("wu")));
    assert_eq!((&alert["scanned_at"], &alert["escalated_at"]), (&json!(at(MIDNIGHT + 3600)), &Value::Null));
    assert_eq!(alert["reasons"], json!(["colour_red", "symptoms"]));
    let history = alert["history"].as_array().expect("a list");
    assert_eq!(history.len(), 3, "{alert}");
    assert_eq!((&history[0]["by"], &history[0]["command"]), (&Value::Null, &Value::Null));
    assert_eq!((&history[1]["by"], &history[1]["command"]), (&json!("li"), &json!(command)));
}

#[tokio::test]
async fn lists_have_each_alert_once_as_it_is_now() {
    let city = City::new().await;
    let rows = [
        row(1, 310_101, 1, "raised", &json!({})),
        row(2, 310_101, 2, "raised", &json!({})),
        row(3, 310_104, 1, "raised", &json!({})),
        row(4, 320_101, 1, "raised", &json!({})),
        row(1, 310_101, 3, "acknowledged", &json!({"action": "acknowledge"})),
        row(2, 310_101, 4, "raised", &json!({"action": "escalate", "escalated_at_ms": MIDNIGHT * 1000})),
    ];
    store(&city, &rows).await;
    let api = city.api().await;
    let all = [(1, 310_101), (2, 310_101), (3, 310_104), (4, 320_101)];
    for (question, expected) in [
        ("", vec![4, 3, 2, 1]),
        ("district=31", vec![3, 2, 1]),
        ("district=310101&state=raised", vec![2]),
        ("state=escalated", vec![2]),
        ("state=acknowledged", vec![1]),
        ("state=disposed", vec![]),
        ("limit=1", vec![4]),
    ] {
        let answer = api.ok(&format!("/v1/alerts?{question}")).await;
        let listed: Vec<Value> =
            answer["alerts"].as_array().expect("a list").iter().map(|alert| alert["alert"].clone()).collect();
        let expected: Vec<Value> =
            expected.into_iter().map(|number: usize| json!(id(number as u128, all[number - 1].1))).collect();
        assert_eq!(listed, expected, "{question}");
        assert_eq!(answer["truncated"], question == "limit=1", "{question}");
    }
    let since = api.ok(&format!("/v1/alerts?since={}", at(MIDNIGHT + 3 * 3600))).await;
    assert_eq!(since["alerts"].as_array().map(Vec::len), Some(2), "the start belongs to it");
}

#[tokio::test]
async fn an_office_sees_the_alerts_of_its_own_district_and_no_others() {
    let city = City::new().await;
    store(&city, &[row(1, 310_101, 1, "raised", &json!({})), row(2, 310_104, 1, "raised", &json!({}))]).await;
    let api = city.api().await;
    let own = crate::city::json(get(&api, 310_101, "/v1/alerts").await, 200).await;
    assert_eq!(own["alerts"].as_array().map(Vec::len), Some(1));
    assert_eq!(own["alerts"][0]["alert"], id(1, 310_101).to_string());
    for (path, field) in [
        ("/v1/alerts?district=310104".to_owned(), "district"),
        ("/v1/alerts?district=31".to_owned(), "district"),
        (format!("/v1/alerts/{}", id(2, 310_104)), "id"),
    ] {
        let refused = problem(get(&api, 310_101, &path).await, 403).await;
        assert_eq!(refused, ("out-of-scope".to_owned(), field.to_owned()), "{path}");
    }
    assert_eq!(get(&api, 3101, &format!("/v1/alerts/{}", id(2, 310_104))).await.status(), 200);
}

#[tokio::test]
async fn what_is_not_known_and_what_is_wrong_is_said() {
    let city = City::new().await;
    let api = city.api().await;
    let unknown = problem(api.get(&format!("/v1/alerts/{}", id(7, 310_101))).await, 404).await;
    assert_eq!(unknown, ("unknown-alert".to_owned(), "id".to_owned()));
    for (path, field) in [
        ("/v1/alerts/seven", "id"),
        ("/v1/alerts/ffffffff-0000-8000-8000-000000000001", "id"),
        ("/v1/alerts?state=lost", "state"),
        ("/v1/alerts?since=yesterday", "since"),
        ("/v1/alerts?district=7", "district"),
        ("/v1/alerts?person=1", "person"),
    ] {
        assert_eq!(problem(api.get(path).await, 422).await.1, field, "{path}");
    }
}
