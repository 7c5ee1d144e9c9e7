//! `GET /v1/persons/{person}/reads`: what somebody is told of who read their movements.

use reqwest::{Method, Response};
use schemas::access::{Role, Scope};
use serde_json::{Value, json};

use crate::city::{Api, City, json, person, problem, range, scan};

/// What a citizen is answered about a person.
async fn reads(api: &Api, own: u64, asked: u64) -> Response {
    ask(api, own, &format!("/v1/persons/{}/reads", person(asked))).await
}

async fn ask(api: &Api, own: u64, path: &str) -> Response {
    let scope = Scope { person: Some(person(own)), ..Scope::default() };
    let token = api.issuer.issue(Role::Citizen, "phone", scope, chrono::Utc::now().timestamp(), 600).expect("a token");
    api.bare_request(Method::GET, path).bearer_auth(token).send().await.expect("an answer")
}

#[tokio::test]
async fn a_person_sees_when_and_why_they_were_read_and_by_which_office_and_nobody_else_does() {
    let city = City::new().await;
    city.store(&[scan(1, 1, 60), scan(2, 1, 90), scan(3, 2, 60)]).await;
    let api = city.api().await;
    let of = async |number| -> Vec<Value> {
        let answer = json(reads(&api, number, number).await, 200).await;
        assert_eq!(answer["truncated"], false);
        answer["reads"].as_array().expect("a list").clone()
    };
    assert!(of(1).await.is_empty());
    let time = range(0, 3600);
    let body = json!({"person": person(1), "from": crate::city::at(crate::city::MIDNIGHT),
        "to": crate::city::at(crate::city::MIDNIGHT + 3600)});
    api.trace(body).await;
    api.ok(&format!("/v1/persons/{}/visits?{time}", person(2))).await;
    api.ok(&format!("/v1/venues/1/visitors?{time}")).await;

    let about = |reads: &[Value]| reads.iter().map(|read| read["about"].clone()).collect::<Vec<_>>();
    let (first, second) = (of(1).await, of(2).await);
    assert_eq!(about(&first), ["met", "own"], "newest first: the visitors of the venue, the trace");
    assert_eq!(about(&second), ["met", "own", "met"]);
    assert!(of(3).await.is_empty(), "nobody read of who was elsewhere");
    // An entry is found before the log has filters and by them: a merge makes them.
    let filters = async || {
        let bytes = "SELECT sum(secondary_indices_compressed_bytes) > 0 FROM system.parts \
             WHERE database = currentDatabase() AND table = 'audit_log' AND active";
        city.lines(bytes).await.remove(0)
    };
    assert_eq!(filters().await, "0");
    city.run("OPTIMIZE TABLE audit_log FINAL").await;
    assert_eq!(filters().await, "1");
    assert_eq!((of(1).await, of(2).await), (first.clone(), second));
    let read = &first[1];
    assert_eq!((&read["role"], &read["district"]), (&json!("epidemiologist"), &json!(310_000)));
    assert_eq!((&read["purpose"], &read["case_kind"]), (&json!("contact_tracing"), &json!("confirmed")));
    assert_eq!(
        (&read["purpose_name"]["zh"], &read["case_kind_name"]["zh"]),
        (&json!("密切接触者追踪"), &json!("确诊病例"))
    );
    assert_eq!(read["record"], "movements");
    let fields: Vec<_> = read.as_object().expect("an object").keys().cloned().collect();
    let shown = ["about", "at", "case_kind", "case_kind_name", "district", "purpose", "purpose_name", "record", "role"];
    assert_eq!(fields, shown, "neither account nor case");

    assert_eq!(problem(reads(&api, 1, 2).await, 403).await, ("out-of-scope".to_owned(), "person".to_owned()));
}

#[tokio::test]
async fn a_look_at_ones_own_health_is_written_down_and_told_and_not_answered_without() {
    let city = City::new().await;
    let api = city.api().await;
    let path = |number| format!("/v1/persons/{}/health-changes", person(number));
    assert_eq!(ask(&api, 1, &path(1)).await.status(), 200);
    assert_eq!(problem(ask(&api, 2, &path(1)).await, 403).await.0, "out-of-scope");
    let entry = city.lines("SELECT account, role, route, purpose, toString(release_id), persons FROM audit_log").await;
    let route = "GET /v1/persons/{person}/health-changes";
    let (nil, key) = (uuid::Uuid::nil(), person(1).to_u64());
    assert_eq!(entry, [format!("phone\tcitizen\t{route}\town_record\t{nil}\t[{key}]")], "once, by whom it is about");
    let answer = json(reads(&api, 1, 1).await, 200).await;
    let read = &answer["reads"][0];
    assert_eq!((&read["record"], &read["about"]), (&json!("health_changes"), &json!("own")));
    assert_eq!((&read["role"], &read["purpose_name"]["zh"]), (&json!("citizen"), &json!("查阅本人记录")));
    assert_eq!((&read["district"], &read["case_kind"]), (&Value::Null, &Value::Null));
    city.run("RENAME TABLE audit_log TO kept").await;
    assert_eq!(problem(ask(&api, 1, &path(1)).await, 503).await.0, "audit-unavailable");
}
