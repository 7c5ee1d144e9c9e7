//! `GET /v1/persons/{person}/identity`.

use reqwest::Method;
use schemas::{
    KeyRing, PersonKey,
    access::{Role, Scope},
    city::FormKind,
};
use serde_json::{Value, json};
use service::identity;
use uuid::Uuid;

use crate::city::{Api, City, MIDNIGHT, RELEASE, at, json, person, problem, release};

/// A key ring, and the file that has it.
fn keys() -> (KeyRing, tempfile::NamedTempFile) {
    let text = format!("1:{}\n", "3c".repeat(32));
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), &text).expect("written");
    (KeyRing::try_parse(&text).expect("keys"), file)
}

/// Stores a registration as the processor does.
async fn register(city: &City, keys: &KeyRing, who: PersonKey, form: FormKind, (offset, name): (u64, &str)) {
    let Value::Object(answers) = json!({"name": name}) else { panic!("no object") };
    let row = json!({"person_id": who.to_u64(), "form": form.as_str(), "v": 1, "document": "passport",
        "registered_at": MIDNIGHT + offset as i64, "kafka_offset": offset,
        "sealed": identity::seal(keys, who, form, &answers).expect("sealed")});
    city.run(&format!("INSERT INTO identities FORMAT JSONEachRow {row}")).await;
}

fn path(of: u64, release: Uuid) -> String {
    format!("/v1/persons/{}/identity?release={release}", person(of))
}

async fn api(city: &City, file: &tempfile::NamedTempFile) -> Api {
    city.api_with(&["--identity-keys-file", &file.path().display().to_string()]).await
}

#[tokio::test]
async fn the_newest_answers_are_opened_by_a_release_and_written_down() {
    let city = City::new().await;
    let (keys, file) = keys();
    register(&city, &keys, person(1), FormKind::Venue, (1, "旧")).await;
    register(&city, &keys, person(1), FormKind::Venue, (2, "张三")).await;
    register(&city, &keys, person(1), FormKind::Freight, (1, "司机")).await;
    register(&city, &keys, person(2), FormKind::Venue, (1, "别人")).await;
    let api = api(&city, &file).await;
    let answer = api.get(&path(1, RELEASE)).await;
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let registration = |form, offset, name| {
        let at = at(MIDNIGHT + offset);
        json!({"form": form, "document": "passport", "registered_at": at, "answers": {"name": name}})
    };
    let registrations = [registration("freight", 1, "司机"), registration("venue", 2, "张三")];
    assert_eq!(json(answer, 200).await, json!({"person": person(1), "registrations": registrations}));
    assert_eq!(json(api.get(&path(3, RELEASE)).await, 200).await["registrations"], json!([]), "never registered");

    let entries = "SELECT concat(account, ' ', route, ' ', toString(persons), ' ', toString(scans), ' ', case_number) \
        AS line FROM audit_log ORDER BY sequence";
    let entry =
        |who: u64, count: u8| format!("it GET /v1/persons/{{person}}/identity [{}] {count} C-1", person(who).to_u64());
    assert_eq!(city.lines(entries).await, [entry(1, 2), entry(3, 0)]);

    let scope = Scope { person: Some(person(1)), ..Scope::default() };
    let token = api.issuer.issue(Role::Citizen, "phone", scope, chrono::Utc::now().timestamp(), 600).expect("a token");
    let reads = format!("/v1/persons/{}/reads", person(1));
    let reads = api.bare_request(Method::GET, &reads).bearer_auth(token).send().await.expect("an answer");
    let read = json(reads, 200).await["reads"][0].clone();
    assert_eq!(
        (&read["record"], &read["about"], &read["role"]),
        (&json!("identity"), &json!("own"), &json!("epidemiologist"))
    );

    city.run("RENAME TABLE audit_log TO kept").await;
    let unwritten = api.get(&path(1, RELEASE)).await;
    assert_eq!(problem(unwritten, 503).await.0, "audit-unavailable", "nothing is opened without being written down");
}

#[tokio::test]
async fn nobody_is_told_without_a_release_that_covers_the_person() {
    let city = City::new().await;
    let (keys, file) = keys();
    register(&city, &keys, person(1), FormKind::Venue, (1, "张三")).await;
    register(&city, &keys, person(200), FormKind::Venue, (1, "李四")).await;
    let api = api(&city, &file).await;
    let bare = format!("/v1/persons/{}/identity", person(1));
    assert_eq!(problem(api.get(&bare).await, 403).await, ("release-required".to_owned(), "release".to_owned()));
    let unknown = problem(api.get(&path(1, Uuid::from_u128(9))).await, 403).await;
    assert_eq!(unknown.0, "release-unknown");
    let not_named = ("release-does-not-cover".to_owned(), "person".to_owned());
    assert_eq!(problem(api.get(&path(200, RELEASE)).await, 403).await, not_named);
    for (number, field, value, kind) in [
        (2, "state", json!("asked"), "release-not-given"),
        (3, "asked_by", json!("another"), "release-of-another-account"),
        (4, "expires_at_ms", json!(1), "release-expired"),
        (5, "evidence", json!(""), "release-without-reason"),
    ] {
        let id = Uuid::from_u128(number);
        let mut row = release(id);
        row[field] = value;
        city.release(&row).await;
        assert_eq!(problem(api.get(&path(1, id)).await, 403).await.0, kind);
    }
    // Whom a trace by the release has found it covers, as far as its hops go.
    let found = |depth: u8| {
        json!({"chain": Uuid::now_v7(), "sequence": 0, "at_ms": chrono::Utc::now().timestamp_millis(), "release_id": RELEASE, "account": "it",
            "reached": [person(200).to_u64()], "reached_depths": [depth]})
    };
    for (depth, status) in [(4, 403), (3, 200)] {
        city.run(&format!("INSERT INTO audit_log FORMAT JSONEachRow {}", found(depth))).await;
        assert_eq!(api.get(&path(200, RELEASE)).await.status(), status, "at a depth of {depth}");
    }
}

#[tokio::test]
async fn what_does_not_open_is_null_and_counted() {
    let city = City::new().await;
    let (keys, file) = keys();
    let other = KeyRing::try_parse(&format!("2:{}\n", "4d".repeat(32))).expect("keys");
    register(&city, &other, person(1), FormKind::Venue, (1, "张三")).await;
    // Another person's answers in this one's place.
    register(&city, &keys, person(2), FormKind::Venue, (1, "李四")).await;
    let moved = format!(
        "INSERT INTO identities SELECT * REPLACE ({} AS person_id) FROM (SELECT * FROM identities WHERE person_id = {})",
        person(3).to_u64(),
        person(2).to_u64()
    );
    city.run(&moved).await;
    let api = api(&city, &file).await;
    assert_eq!(json(api.get(&path(2, RELEASE)).await, 200).await["registrations"][0]["answers"]["name"], "李四");
    // What opens is shown beside it.
    register(&city, &keys, person(1), FormKind::Freight, (2, "司机")).await;
    let names = async |who| {
        let answer = json(api.get(&path(who, RELEASE)).await, 200).await;
        let registrations = answer["registrations"].as_array().expect("registrations").clone();
        registrations.iter().map(|registration| registration["answers"]["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(1).await, [json!("司机"), Value::Null]);
    assert_eq!(names(3).await, [Value::Null]);
    let metrics =
        api.bare_request(Method::GET, "/metrics").send().await.expect("an answer").text().await.expect("text");
    let counted = "query_api_problems_total{problem=\"identity-unopened\"}";
    assert!(metrics.lines().any(|line| line.starts_with(counted) && !line.ends_with(" 0")), "{metrics}");
    let without = city.api().await;
    assert_eq!(problem(without.get(&path(2, RELEASE)).await, 403).await.0, "identities-closed");
}
