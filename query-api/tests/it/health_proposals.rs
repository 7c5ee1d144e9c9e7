//! `GET /v1/health-proposals/{id}`.

use reqwest::Method;
use schemas::access::{Role, Scope};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::city::{Api, City, MIDNIGHT, at, problem};

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
