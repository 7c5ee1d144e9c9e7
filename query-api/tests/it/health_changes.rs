//! `GET /v1/persons/{person}/health-changes`.

use reqwest::{Method, Response};
use schemas::access::{Role, Scope};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::city::{Api, City, MIDNIGHT, at, json, person, problem};

async fn get(api: &Api, own: u64, path: &str) -> Response {
    let scope = Scope { person: Some(person(own)), ..Scope::default() };
    let token = api.issuer.issue(Role::Citizen, "it", scope, chrono::Utc::now().timestamp(), 600).expect("a token");
    api.bare_request(Method::GET, path).bearer_auth(token).send().await.expect("an answer")
}

fn path(of: u64) -> String {
    format!("/v1/persons/{}/health-changes", person(of))
}

fn row(who: u64, colour: &str, since: i64, more: Value) -> String {
    let mut row = json!({"person_id": person(who).to_u64(), "colour": colour, "since": MIDNIGHT + since, "expires_at": 0,
        "issuer": "市疾控", "evidence": "E-1", "reason": "contact", "sent_by": "feed-1", "released_by": "",
        "proposal_id": Uuid::nil()});
    row.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    row.to_string()
}

#[tokio::test]
async fn people_see_who_set_their_colour_and_nobody_elses() {
    let city = City::new().await;
    let bulk = Uuid::from_u128(7);
    let rows = [
        row(1, "green", 0, json!({"sent_by": ""})),
        row(1, "yellow", 60, json!({})),
        row(1, "red", 60, json!({"expires_at": MIDNIGHT + 600, "released_by": "checker", "proposal_id": bulk})),
        row(2, "red", 0, json!({"reason": "another's"})),
    ];
    // Told of again after a crash.
    for rows in [&rows[..], &rows[1..]] {
        city.run(&format!("INSERT INTO health_changes FORMAT JSONEachRow {}", rows.join("\n"))).await;
    }
    let api = city.api().await;
    let answer = json(get(&api, 1, &path(1)).await, 200).await;
    let change = |colour: &str, since: i64| {
        json!({"colour": colour, "since": at(MIDNIGHT + since), "expires_at": null, "issuer": "市疾控", "evidence": "E-1",
            "reason": "contact", "sent_by": "feed-1", "released_by": null, "proposal": null})
    };
    let (mut red, mut green) = (change("red", 60), change("green", 0));
    red["expires_at"] = json!(at(MIDNIGHT + 600));
    (red["released_by"], red["proposal"]) = (json!("checker"), json!(bulk));
    green["sent_by"] = Value::Null;
    let expected = json!({"person": person(1), "changes": [red, change("yellow", 60), green], "truncated": false});
    assert_eq!(answer, expected);

    let short = json(get(&api, 1, &format!("{}?limit=1", path(1))).await, 200).await;
    assert_eq!((&short["changes"], &short["truncated"]), (&json!([red]), &json!(true)));
    assert_eq!(json(get(&api, 3, &path(3)).await, 200).await["changes"], json!([]));

    let others = problem(get(&api, 1, &path(2)).await, 403).await;
    assert_eq!(others, ("out-of-scope".to_owned(), "person".to_owned()));
    for (path, field) in [
        ("/v1/persons/someone/health-changes".to_owned(), "person"),
        (format!("{}?limit=0", path(1)), "limit"),
        (format!("{}?limit=1001", path(1)), "limit"),
        (format!("{}?from=1", path(1)), "from"),
    ] {
        assert_eq!(problem(get(&api, 1, &path).await, 422).await.1, field, "{path}");
    }
}
