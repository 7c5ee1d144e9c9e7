//! `GET /v1/health-proposals` and `GET /v1/health-proposals/{id}`.

use reqwest::Method;
use schemas::access::{Role, Scope};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::city::{Api, City, MIDNIGHT, at, json, problem};

async fn get(api: &Api, path: &str) -> reqwest::Response {
    let token = api.issuer.issue(Role::Feed, "checker", Scope::default(), chrono::Utc::now().timestamp(), 600);
    api.bare_request(Method::GET, path).bearer_auth(token.expect("a token")).send().await.expect("an answer")
}

#[tokio::test]
async fn a_bulk_change_says_who_made_and_who_released_it_and_names_nobody() {
    let city = City::new().await;
    let (id, command, ms) = (Uuid::from_u128(7), Uuid::from_u128(9), MIDNIGHT * 1000);
    let row = |revision: u32, action: &str, more: Value| {
        let mut row = json!({"proposal_id": id, "revision": revision, "action": action, "at_ms": ms + i64::from(revision),
            "sender": "maker", "refused": "", "state": "proposed", "digest": "00ff", "changes": 150, "yellow": 30,
            "red": 120, "made_at_ms": ms, "made_by": "maker", "expires_at_ms": ms + 3_600_000, "released_by": ""});
        row.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        row.to_string()
    };
    let released = json!({"command_id": command, "sender": "checker", "state": "released", "released_by": "checker",
        "released_at_ms": ms + 1000});
    let rows = [
        row(1, "propose", json!({})),
        row(2, "release", json!({"command_id": Uuid::from_u128(8), "refused": "own_proposal"})),
        row(3, "release", released),
    ];
    for rows in [&rows[..], &rows[1..]] {
        city.run(&format!("INSERT INTO health_proposals FORMAT JSONEachRow {}", rows.join("\n"))).await;
    }
    let api = city.api().await;
    let answer = get(&api, &format!("/v1/health-proposals/{id}")).await;
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await.expect("JSON");
    assert_eq!((&answer["state"], &answer["changes"], &answer["red"]), (&json!("released"), &json!(150), &json!(120)));
    assert_eq!((&answer["made_by"], &answer["released_by"]), (&json!("maker"), &json!("checker")));
    assert_eq!((&answer["made_at"], &answer["expires_at"]), (&json!(at(MIDNIGHT)), &json!(at(MIDNIGHT + 3600))));
    let history: Vec<_> =
        answer["history"].as_array().expect("a list").iter().map(|e| (&e["by"], &e["refused"])).collect();
    let (maker, checker) = (json!("maker"), json!("checker"));
    assert_eq!(history, [(&maker, &Value::Null), (&maker, &json!("own_proposal")), (&checker, &Value::Null)]);

    let unknown = get(&api, &format!("/v1/health-proposals/{}", Uuid::from_u128(1))).await;
    assert_eq!(problem(unknown, 404).await, ("unknown-health-proposal".to_owned(), "id".to_owned()));
    assert_eq!(problem(get(&api, "/v1/health-proposals/7").await, 422).await.1, "id");
}

#[tokio::test]
async fn what_waits_for_a_second_account_is_listed_until_it_can_no_longer_be_released() {
    let city = City::new().await;
    let now_ms = chrono::Utc::now().timestamp_millis();
    let row = |number: u128, revision: u32, made_ms: i64, expires_ms: i64, state: &str| {
        json!({"proposal_id": Uuid::from_u128(number), "revision": revision, "action": "propose", "at_ms": made_ms,
            "sender": "maker", "refused": "", "state": state, "digest": "00ff", "changes": 150, "yellow": 30, "red": 120,
            "made_at_ms": made_ms, "made_by": "maker", "expires_at_ms": expires_ms, "released_by": ""})
        .to_string()
    };
    let (hour, ago) = (3_600_000, |hours: i64| now_ms - hours * 3_600_000);
    let rows = [
        row(1, 1, ago(9), ago(8), "proposed"),
        row(2, 2, ago(3), now_ms + hour, "proposed"),
        row(3, 3, ago(2), now_ms + hour, "proposed"),
        row(3, 5, ago(2), now_ms + hour, "released"),
        row(4, 4, ago(1), now_ms + hour, "proposed"),
        row(5, 6, ago(1) + 1, now_ms + hour, "refused"),
    ];
    city.run(&format!("INSERT INTO health_proposals FORMAT JSONEachRow {}", rows.join("\n"))).await;
    let api = city.api().await;
    let since = at(ago(4) / 1000);
    for (question, expected) in [
        ("".to_owned(), &[5, 4, 3, 2, 1][..]),
        ("state=open".to_owned(), &[4, 2]),
        ("state=proposed".to_owned(), &[4, 2, 1]),
        ("state=released".to_owned(), &[3]),
        ("state=refused".to_owned(), &[5]),
        (format!("since={since}"), &[5, 4, 3, 2]),
        ("limit=2".to_owned(), &[5, 4]),
    ] {
        let answer = json(get(&api, &format!("/v1/health-proposals?{question}")).await, 200).await;
        let listed: Vec<_> =
            answer["proposals"].as_array().expect("a list").iter().map(|p| p["proposal"].clone()).collect();
        let expected: Vec<_> = expected.iter().map(|number| json!(Uuid::from_u128(*number))).collect();
        assert_eq!(listed, expected, "{question}");
        assert_eq!(answer["truncated"], question == "limit=2", "{question}");
    }
    for (question, field) in [("state=waiting", "state"), ("since=now", "since"), ("by=maker", "by")] {
        let path = format!("/v1/health-proposals?{question}");
        assert_eq!(problem(get(&api, &path).await, 422).await.1, field, "{question}");
    }
}
