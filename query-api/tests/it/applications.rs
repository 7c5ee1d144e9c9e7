//! `GET /v1/applications` and `GET /v1/applications/{id}`.

use reqwest::{Method, Response};
use schemas::{
    KeyRing, VenueCode,
    access::{Role, Scope},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::city::{Api, CODE_KEYS_FILE, City, json as body, person, problem};

const ORGANISATION: &str = "91310000MA1FL0000N";

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// The row of an application's state as the registry writes it.
fn row(application: u128, revision: u64, state: &str, more: &Value) -> Value {
    let mut row = json!({"application_id": id(application), "revision": revision, "command_id": id(1000 + u128::from(revision)),
        "action": "review", "at_ms": 1_653_235_200_000_u64 + revision, "state": state, "refused": "", "reason": "", "note": "",
        "duplicate_of": null, "venue_id": 0, "serial": 0, "organisation": ORGANISATION, "organisation_name": "茶业公司",
        "organisation_kind": "company", "applicant": person(1).to_u64(), "applicant_kind": "agent", "channel": "mobile",
        "kind": "place", "category": "catering", "name": "茶馆", "district": 310_101, "address": "福州路1号", "door": ""});
    for (field, value) in more.as_object().expect("an object") {
        row[field] = value.clone();
    }
    row
}

async fn store(city: &City, rows: &[Value]) {
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    city.run(&format!("INSERT INTO application_states FORMAT JSONEachRow {}", lines.join("\n"))).await;
}

#[tokio::test]
async fn an_application_has_its_history_and_its_code_while_it_is_approved() {
    let city = City::new().await;
    let venue = json!({"venue_id": 2_147_483_648_u32, "serial": 1});
    let first = [row(1, 3, "submitted", &json!({"action": "submit"})), row(1, 5, "approved", &venue)];
    store(&city, &first).await;
    // Written again after a crash.
    store(&city, &first).await;
    store(&city, &[row(2, 4, "rejected", &json!({"reason": "duplicate", "duplicate_of": id(1)}))]).await;
    let api = city.api().await;

    let approved = api.ok(&format!("/v1/applications/{}", id(1))).await;
    assert_eq!((&approved["state"], &approved["venue"]), (&json!("approved"), &json!(2_147_483_648_u32)), "{approved}");
    let keys = KeyRing::try_parse(&std::fs::read_to_string(CODE_KEYS_FILE).expect("keys")).expect("valid");
    let code = VenueCode { venue: 2_147_483_648, serial: 1 };
    for field in ["code", "url"] {
        assert_eq!(VenueCode::verify(approved[field].as_str().expect(field), &keys), Ok(code));
    }
    assert_eq!(approved["history"].as_array().map(Vec::len), Some(2), "{approved}");
    assert_eq!(approved["history"][0]["command"], id(1003).to_string());
    assert_eq!((&approved["door"], &approved["starts_at"]), (&Value::Null, &Value::Null));
    assert!(!approved.to_string().contains(&person(1).to_string()), "an applicant is nobody's business");

    let rejected = api.ok(&format!("/v1/applications/{}", id(2))).await;
    assert_eq!((&rejected["code"], &rejected["venue"]), (&Value::Null, &Value::Null));
    assert_eq!(rejected["history"][0]["reason"], "duplicate");
    assert_eq!(rejected["history"][0]["duplicate_of"], id(1).to_string());

    store(&city, &[row(1, 9, "revoked", &venue)]).await;
    let revoked = api.ok(&format!("/v1/applications/{}", id(1))).await;
    assert_eq!((&revoked["state"], &revoked["code"]), (&json!("revoked"), &Value::Null));
}

#[tokio::test]
async fn lists_have_each_application_once_as_it_is_now() {
    let city = City::new().await;
    let elsewhere = json!({"organisation": "91310000MA1FL0001R", "district": 310_104});
    let rows = [
        row(1, 1, "submitted", &json!({})),
        row(2, 2, "submitted", &json!({"district": 320_101})),
        row(3, 3, "submitted", &elsewhere),
        row(1, 4, "approved", &json!({"venue_id": 7})),
    ];
    store(&city, &rows).await;
    let api = city.api().await;
    for (question, expected) in [
        (format!("organisation={ORGANISATION}"), vec![1, 2]),
        (format!("organisation={ORGANISATION}&state=submitted"), vec![2]),
        ("district=31".to_owned(), vec![1, 3]),
        ("district=3101&state=submitted".to_owned(), vec![3]),
        ("district=310104".to_owned(), vec![3]),
        ("venue=7".to_owned(), vec![1]),
        ("venue=8".to_owned(), vec![]),
        ("limit=1".to_owned(), vec![1]),
    ] {
        let answer = api.ok(&format!("/v1/applications?{question}")).await;
        let listed = answer["applications"].as_array().expect("a list").iter().map(|a| a["application"].clone());
        let expected: Vec<Value> = expected.into_iter().map(|number| json!(id(number))).collect();
        let mut listed: Vec<Value> = listed.collect();
        listed.sort_by_key(Value::to_string);
        assert_eq!(listed, expected, "{question}");
        assert_eq!(answer["truncated"], question == "limit=1", "{question}");
    }
}

#[tokio::test]
async fn what_is_not_known_and_what_is_wrong_is_said() {
    let city = City::new().await;
    let api = city.api().await;
    let unknown = problem(api.get(&format!("/v1/applications/{}", id(7))).await, 404).await;
    assert_eq!(unknown, ("unknown-application".to_owned(), "id".to_owned()));
    for (path, field) in [
        ("/v1/applications/seven", "id"),
        ("/v1/applications?state=lost", "state"),
        ("/v1/applications?venue=x", "venue"),
        ("/v1/applications?district=7", "district"),
        ("/v1/applications?limit=0", "limit"),
        ("/v1/applications?person=1", "person"),
    ] {
        assert_eq!(problem(api.get(path).await, 422).await.1, field, "{path}");
    }
}

async fn get_as(api: &Api, role: Role, scope: &Scope, path: &str) -> Response {
    let token = api.issuer.issue(role, "it", scope.clone(), chrono::Utc::now().timestamp(), 600).expect("a token");
    api.bare_request(Method::GET, path).bearer_auth(token).send().await.expect("an answer")
}

#[tokio::test]
async fn my_records_are_mine_and_my_organisations_and_nobody_elses() {
    let city = City::new().await;
    let other = json!({"organisation": "91310000MA1FL0001R", "district": 310_104});
    let colleague = json!({"applicant": person(2).to_u64()});
    let rows = [row(1, 1, "submitted", &json!({})), row(2, 2, "submitted", &colleague), row(3, 3, "submitted", &other)];
    store(&city, &rows).await;
    let api = city.api().await;
    let operator = Scope { organisation: Some(ORGANISATION.to_owned()), person: Some(person(1)), ..Scope::default() };
    let count = async |role, scope: &Scope, question: &str| {
        let answer = body(get_as(&api, role, scope, &format!("/v1/applications{question}")).await, 200).await;
        answer["applications"].as_array().map(Vec::len).expect("a list")
    };
    assert_eq!(count(Role::Operator, &operator, "?applicant=me").await, 1);
    assert_eq!(count(Role::Operator, &operator, "?organisation=me").await, 2);
    assert_eq!(count(Role::Operator, &operator, "").await, 2, "never more than the organisation's");
    let district = Scope { district: Some(310_104), ..Scope::default() };
    assert_eq!(count(Role::District, &district, "").await, 1);
    assert_eq!(count(Role::Regulator, &Scope::default(), "").await, 3);

    for (role, scope, path, field) in [
        (Role::Operator, &operator, "/v1/applications?organisation=91310000MA1FL0001R".to_owned(), "organisation"),
        (Role::Operator, &operator, format!("/v1/applications/{}", id(3)), "id"),
        (Role::District, &district, "/v1/applications?district=3101".to_owned(), "district"),
        (Role::District, &district, format!("/v1/applications/{}", id(1)), "id"),
    ] {
        let refused = problem(get_as(&api, role, scope, &path).await, 403).await;
        assert_eq!(refused, ("out-of-scope".to_owned(), field.to_owned()), "{path}");
    }
    for (path, field) in [
        ("?applicant=1123456789abcdef", "applicant"),
        ("?applicant=me", "applicant"),
        ("?organisation=me", "organisation"),
    ] {
        let wrong = get_as(&api, Role::Regulator, &Scope::default(), &format!("/v1/applications{path}")).await;
        assert_eq!(problem(wrong, 422).await.1, field, "{path}");
    }
}
