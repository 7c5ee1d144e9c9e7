//! `GET /v1/trips`, `GET /v1/trips/{id}` and `GET /v1/checkpoints`.

use reqwest::{Method, Response};
use schemas::{
    KeyRing, PlateKey, TripEvent, VenueCode,
    access::{Role, Scope},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::city::{Api, CODE_KEYS_FILE, City, MIDNIGHT, at, person, problem};

fn vehicle() -> PlateKey {
    "2123456789abcdef".parse().expect("valid")
}

fn id(number: u64, district: u32) -> Uuid {
    TripEvent::trip_id(district, vehicle(), person(number), Uuid::from_u128(number.into()))
}

/// The row of a trip as the freight loop writes it; trip n is the nth driver's, declared n hours after midnight.
fn row(number: u64, district: u32, revision: u64, state: &str, more: &Value) -> Value {
    let since = MIDNIGHT + number as i64 * 3600;
    let mut row = json!({"trip_id": id(number, district), "revision": revision, "district": district,
        "vehicle_id": vehicle().to_u64(), "driver_id": person(number).to_u64(), "since": since, "action": "declare",
        "at_ms": since * 1000, "step": state, "refused": "", "state": state, "overdue": false, "checkpoint": 0,
        "destination": 9, "due_at": since + 7200, "symptoms": false, "risk": true, "entered_venue": 0});
    for (field, value) in more.as_object().expect("an object") {
        row[field] = value.clone();
    }
    row
}

async fn store(city: &City, rows: &[Value]) {
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    city.run(&format!("INSERT INTO trips FORMAT JSONEachRow {}", lines.join("\n"))).await;
}

async fn get(api: &Api, role: Role, scope: Scope, path: &str) -> Response {
    let now = chrono::Utc::now().timestamp();
    let token = api.issuer.issue(role, "it", scope, now, 600).expect("a token");
    api.bare_request(Method::GET, path).bearer_auth(token).send().await.expect("an answer")
}

fn driver(number: u64) -> Scope {
    Scope { person: Some(person(number)), ..Scope::default() }
}

fn office(district: u32) -> Scope {
    Scope { district: Some(district), ..Scope::default() }
}

fn listed(answer: &Value) -> Vec<Value> {
    answer["trips"].as_array().expect("a list").iter().map(|trip| trip["trip"].clone()).collect()
}

#[tokio::test]
async fn a_trip_has_its_history_and_shows_driver_and_lorry_masked() {
    let city = City::new().await;
    let (entered, closed) = (MIDNIGHT + 4000, MIDNIGHT + 5000);
    let scanned = json!({"action": "checkpoint_scanned", "event_id": Uuid::from_u128(5), "entered_at": entered,
        "entered_venue": 8});
    let arrived = json!({"action": "destination_scanned", "event_id": Uuid::from_u128(6), "entered_at": entered,
        "entered_venue": 8, "closed_at": closed});
    let rows = [
        row(1, 410_202, 3, "declared", &json!({})),
        row(1, 410_202, 5, "entered", &scanned),
        row(1, 410_202, 9, "closed", &arrived),
    ];
    store(&city, &rows).await;
    // Written again after a crash.
    store(&city, &rows[1..]).await;
    city.name(8, "兰考南下站口", 1).await;
    let api = city.api().await;
    let path = format!("/v1/trips/{}", id(1, 410_202));
    let trip = api.ok(&path).await;
    assert_eq!(
        (&trip["state"], &trip["overdue"], &trip["risk"]),
        (&json!("closed"), &json!(false), &json!(true)),
        "{trip}"
    );
    assert_eq!(trip["entered_by"], json!({"venue": 8, "name": "兰考南下站口"}));
    assert_eq!(trip["destination"], json!({"venue": 9, "name": null}));
    assert_eq!((&trip["closed_at"], &trip["checkpoint"]), (&json!(at(closed)), &Value::Null));
    let steps: Vec<_> = trip["history"].as_array().expect("a list").iter().map(|entry| entry["step"].clone()).collect();
    assert_eq!(steps, ["declared", "entered", "closed"], "{trip}");
    assert_eq!(trip["history"][1]["event"], json!(Uuid::from_u128(5)));
    let (person, lorry) = (person(1).to_string(), vehicle().to_string());
    assert_eq!(trip["driver"], format!("************{}", &person[12..]));
    assert_eq!(trip["vehicle"], format!("************{}", &lorry[12..]));
    assert!(!trip.to_string().contains(&person) && !trip.to_string().contains(&lorry), "{trip}");
    // The driver's own, and nobody else's.
    assert_eq!(get(&api, Role::Citizen, driver(1), &path).await.status(), 200);
    assert_eq!(problem(get(&api, Role::Citizen, driver(2), &path).await, 404).await.0, "unknown-trip");
    assert_eq!(get(&api, Role::District, office(4102), &path).await.status(), 200);
    let refused = problem(get(&api, Role::District, office(410_203), &path).await, 403).await;
    assert_eq!(refused, ("out-of-scope".to_owned(), "id".to_owned()));
}

#[tokio::test]
async fn lists_have_each_trip_once_as_it_is_now() {
    let city = City::new().await;
    let rows = [
        row(1, 410_202, 1, "declared", &json!({})),
        row(2, 410_202, 2, "declared", &json!({})),
        row(3, 410_203, 1, "declared", &json!({})),
        row(4, 310_101, 1, "undeclared", &json!({"due_at": null})),
        row(1, 410_202, 3, "closed", &json!({"overdue": true})),
        row(2, 410_202, 4, "entered", &json!({"overdue": true})),
    ];
    store(&city, &rows).await;
    let api = city.api().await;
    let all = [410_202, 410_202, 410_203, 310_101];
    let ids = |numbers: &[usize]| -> Vec<Value> { numbers.iter().map(|n| json!(id(*n as u64, all[n - 1]))).collect() };
    for (question, expected) in [
        ("", &[4, 3, 2, 1][..]),
        ("district=41", &[3, 2, 1]),
        ("district=410202&state=overdue", &[2]),
        ("state=overdue", &[2]),
        ("state=closed", &[1]),
        ("state=declared", &[3]),
        ("state=undeclared", &[4]),
        ("limit=1", &[4]),
    ] {
        let answer = api.ok(&format!("/v1/trips?{question}")).await;
        assert_eq!(listed(&answer), ids(expected), "{question}");
        assert_eq!(answer["truncated"], question == "limit=1", "{question}");
    }
    let since = api.ok(&format!("/v1/trips?since={}", at(MIDNIGHT + 3 * 3600))).await;
    assert_eq!(listed(&since), ids(&[4, 3]), "the start belongs to it");
    let own = crate::city::json(get(&api, Role::Citizen, driver(2), "/v1/trips").await, 200).await;
    assert_eq!(listed(&own), ids(&[2]));
    let office_own = crate::city::json(get(&api, Role::District, office(410_203), "/v1/trips").await, 200).await;
    assert_eq!(listed(&office_own), ids(&[3]));
    let refused = problem(get(&api, Role::District, office(410_203), "/v1/trips?district=410202").await, 403).await;
    assert_eq!(refused, ("out-of-scope".to_owned(), "district".to_owned()));
}

#[tokio::test]
async fn what_is_not_known_and_what_is_wrong_is_said() {
    let city = City::new().await;
    let api = city.api().await;
    let unknown = problem(api.get(&format!("/v1/trips/{}", id(7, 410_202))).await, 404).await;
    assert_eq!(unknown, ("unknown-trip".to_owned(), "id".to_owned()));
    for (path, field) in [
        ("/v1/trips/seven", "id"),
        ("/v1/trips/ffffffff-0000-8000-8000-000000000001", "id"),
        ("/v1/trips?state=lost", "state"),
        ("/v1/trips?since=yesterday", "since"),
        ("/v1/trips?district=7", "district"),
        ("/v1/trips?plate=1", "plate"),
        ("/v1/checkpoints?kind=restaurant", "kind"),
        ("/v1/checkpoints?district=7", "district"),
        ("/v1/checkpoints?plate=1", "plate"),
    ] {
        assert_eq!(problem(api.get(path).await, 422).await.1, field, "{path}");
    }
}

#[tokio::test]
async fn anybody_with_a_token_looks_up_checkpoints_with_their_codes() {
    let city = City::new().await;
    for (venue, name, category, district, active) in [
        (1, "兰考南下站口", "freight_checkpoint", 410_225, true),
        (2, "开封北下站口", "freight_checkpoint", 410_202, true),
        (3, "旧卡口", "freight_checkpoint", 410_202, false),
        (4, "面粉厂", "freight_destination", 410_202, true),
        (5, "餐厅", "restaurant", 410_202, true),
    ] {
        let sql = "INSERT INTO venues (venue_id, name, category, district, address, door, organisation, active, serial, \
                   version) VALUES ({venue:UInt32}, {name:String}, {category:String}, {district:UInt32}, '连霍高速', '', '', \
                   {active:Bool}, 3, 1)";
        let query = city.client().query(sql).param("venue", venue).param("name", name).param("active", active);
        query.param("category", category).param("district", district).execute().await.expect("stored");
    }
    let api = city.api_with(&["--city", "kaifeng"]).await;
    let names = async |question: &str| -> Vec<Value> {
        let path = format!("/v1/checkpoints?{question}");
        let answer = crate::city::json(get(&api, Role::Citizen, driver(1), &path).await, 200).await;
        answer["checkpoints"].as_array().expect("a list").iter().map(|place| place["name"].clone()).collect()
    };
    assert_eq!(names("").await, ["开封北下站口", "兰考南下站口"], "by district; those in use");
    assert_eq!(names("district=410225").await, ["兰考南下站口"]);
    assert_eq!(names("name=%E5%85%B0%E8%80%83").await, ["兰考南下站口"]);
    assert_eq!(names("name=%E8%BF%9E%E9%9C%8D&limit=1").await, ["开封北下站口"], "by address as well");
    assert_eq!(names("kind=freight_destination").await, ["面粉厂"]);
    let one = api.ok("/v1/checkpoints?district=410225").await;
    let keys = KeyRing::try_parse(&std::fs::read_to_string(CODE_KEYS_FILE).expect("the keys")).expect("keys");
    let code = VenueCode { venue: 1, serial: 3 }.sign(&keys).to_string();
    assert_eq!(one["checkpoints"][0]["code"], json!(code));
    assert_eq!(one["checkpoints"][0]["url"], format!("HTTPS://CODE.EXAMPLE/V/{code}"));
}
