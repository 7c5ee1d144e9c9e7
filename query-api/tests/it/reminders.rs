//! `GET /v1/reminders` and `GET /v1/reminders/{id}`.

use reqwest::{Method, Response};
use schemas::{
    ReminderEvent,
    access::{Role, Scope},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::city::{Api, City, MIDNIGHT, ORGANISATION, at, json as body, problem};

const OTHER: &str = "91310000MA1FL0001R";

fn id(number: u64, district: u32) -> Uuid {
    ReminderEvent::derive_id(district, "li", Uuid::from_u128(number.into()))
}

/// The row of a reminder's state as the fold writes it; reminder n was sent n hours after midnight and is due a week later.
fn row(number: u64, district: u32, revision: u64, state: &str, more: &Value) -> Value {
    let sent_at_ms = (MIDNIGHT + number as i64 * 3600) * 1000;
    let mut row = json!({"reminder_id": id(number, district), "revision": revision, "district": district,
        "organisation": ORGANISATION, "venue_id": 0, "matter": "no_code", "due_at": MIDNIGHT + 7 * 86_400, "note": "",
        "times": 1, "open_instead": null, "sent_at_ms": sent_at_ms, "sent_by": "li", "action": "send",
        "at_ms": sent_at_ms, "sender": "li", "refused": "", "said": "", "said_note": "", "state": state,
        "answered_by": "", "reply": "", "reply_note": "", "settled_by": "", "outcome": "", "outcome_note": ""});
    for (field, value) in more.as_object().expect("an object") {
        row[field] = value.clone();
    }
    row
}

fn escalated(state: &str, number: u64) -> Value {
    let more = json!({"action": "escalate", "sender": "", "escalated_at_ms": (MIDNIGHT + 7 * 86_400) * 1000});
    row(number, 310_101, 9, state, &more)
}

async fn store(city: &City, rows: &[Value]) {
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    city.run(&format!("INSERT INTO reminders FORMAT JSONEachRow {}", lines.join("\n"))).await;
}

async fn get(api: &Api, role: Role, scope: Scope, path: &str) -> Response {
    let now = chrono::Utc::now().timestamp();
    let token = api.issuer.issue(role, "somebody", scope, now, 600).expect("a token");
    api.bare_request(Method::GET, path).bearer_auth(token).send().await.expect("an answer")
}

async fn by_operator(api: &Api, organisation: &str, path: &str) -> Response {
    let scope = Scope { organisation: Some(organisation.to_owned()), ..Scope::default() };
    get(api, Role::Operator, scope, path).await
}

fn in_district(district: u32) -> Scope {
    Scope { district: Some(district), ..Scope::default() }
}

fn listed(answer: &Value) -> Vec<Value> {
    answer["reminders"].as_array().expect("a list").iter().map(|reminder| reminder["reminder"].clone()).collect()
}

#[tokio::test]
async fn a_reminder_has_its_history_and_its_words_in_both_languages() {
    let city = City::new().await;
    city.own(7, "豫园商城", ORGANISATION, 1).await;
    let of_venue = |revision, state, more: Value| {
        let mut row = row(1, 310_101, revision, state, &more);
        (row["venue_id"], row["matter"], row["note"], row["times"]) =
            (json!(7), json!("no_scans"), json!("三天无人扫码"), json!(2));
        row
    };
    let answered = json!({"action": "answer", "sender": "wu", "command_id": Uuid::from_u128(9), "said": "objected",
        "said_note": "已停业", "answered_at_ms": MIDNIGHT * 1000 + 1, "answered_by": "wu", "reply": "objected",
        "reply_note": "已停业"});
    let mut settled = answered.clone();
    for (field, value) in [
        ("action", json!("settle")),
        ("sender", json!("li")),
        ("said", json!("mistaken")),
        ("said_note", json!("")),
        ("settled_at_ms", json!(MIDNIGHT * 1000 + 2)),
        ("settled_by", json!("li")),
        ("outcome", json!("mistaken")),
    ] {
        settled[field] = value;
    }
    let rows = [of_venue(3, "sent", json!({})), of_venue(5, "answered", answered), of_venue(9, "settled", settled)];
    store(&city, &rows).await;
    // Written again after a crash.
    store(&city, &rows[1..]).await;
    let api = city.api().await;
    let path = format!("/v1/reminders/{}", id(1, 310_101));
    let reminder = api.ok(&path).await;
    let expected = json!({"reminder": id(1, 310_101), "state": "settled", "matter": "no_scans",
        "matter_name": {"zh": "场所码长期无人扫码", "en": "Nobody scans the code"}, "organisation": ORGANISATION,
        "district": 310_101, "venue": 7, "venue_name": "豫园商城", "note": "三天无人扫码", "times": 2,
        "deadline": "2022-05-29",
        "open_instead": null, "sent_at": at(MIDNIGHT + 3600), "sent_by": "li", "escalated_at": null,
        "answered_by": "wu", "reply": "objected", "reply_name": {"zh": "有异议", "en": "Objected to"},
        "reply_note": "已停业", "settled_by": "li", "outcome": "mistaken",
        "outcome_name": {"zh": "误发", "en": "The reminder was wrong"}, "outcome_note": null});
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(&reminder[field], value, "{field}");
    }
    let said =
        |entry: &Value| ["action", "by", "said", "note", "state"].map(|field| entry[field].to_string()).join(" ");
    let history: Vec<String> = reminder["history"].as_array().expect("a list").iter().map(said).collect();
    let expected = [
        r#""send" "li" null null "sent""#,
        r#""answer" "wu" "objected" "已停业" "answered""#,
        r#""settle" "li" "mistaken" null "settled""#,
    ];
    assert_eq!(history, expected);

    // Its organisation sees the same, and which account of the office it was, nowhere.
    let own = body(by_operator(&api, ORGANISATION, &path).await, 200).await;
    assert_eq!((&own["state"], &own["answered_by"]), (&json!("settled"), &json!("wu")));
    assert_eq!((&own["sent_by"], &own["settled_by"]), (&Value::Null, &Value::Null));
    let by: Vec<&Value> = own["history"].as_array().expect("a list").iter().map(|entry| &entry["by"]).collect();
    assert_eq!(by, [&Value::Null, &json!("wu"), &Value::Null]);
    assert!(!own.to_string().contains("\"li\""), "{own}");
}

#[tokio::test]
async fn of_a_long_history_the_last_entries_are_shown() {
    let city = City::new().await;
    let more = json!({"action": "answer", "refused": "too_many_answers"});
    let rows: Vec<Value> = (1..=201).map(|revision| row(1, 310_101, revision, "answered", &more)).collect();
    store(&city, &rows).await;
    let api = city.api().await;
    let reminder = api.ok(&format!("/v1/reminders/{}", id(1, 310_101))).await;
    assert_eq!((reminder["history"].as_array().map(Vec::len), &reminder["truncated"]), (Some(200), &json!(true)));
}

#[tokio::test]
async fn lists_have_each_reminder_once_as_it_is_now() {
    let city = City::new().await;
    let refused = json!({"refused": "already_open", "open_instead": id(1, 310_101)});
    let rows = [
        row(1, 310_101, 1, "sent", &json!({})),
        row(2, 310_101, 2, "sent", &json!({})),
        row(3, 310_101, 3, "sent", &json!({"organisation": OTHER})),
        row(4, 310_104, 1, "sent", &json!({})),
        row(5, 320_101, 1, "sent", &json!({})),
        row(6, 310_101, 4, "refused", &refused),
        row(2, 310_101, 5, "answered", &json!({"action": "answer"})),
        row(7, 310_101, 6, "sent", &json!({})),
        escalated("sent", 1),
        escalated("answered", 2),
        escalated("settled", 7),
    ];
    store(&city, &rows).await;
    let api = city.api().await;
    let districts = [310_101, 310_101, 310_101, 310_104, 320_101, 310_101, 310_101];
    let ids = |numbers: &[usize]| -> Vec<Value> {
        numbers.iter().map(|number| json!(id(*number as u64, districts[*number - 1]))).collect()
    };
    for (question, expected) in [
        ("", vec![7, 6, 5, 4, 3, 2, 1]),
        ("district=31", vec![7, 6, 4, 3, 2, 1]),
        ("state=escalated", vec![2, 1]),
        ("state=sent&district=310101", vec![3, 1]),
        ("state=answered", vec![2]),
        ("state=settled", vec![7]),
        ("state=refused", vec![6]),
        (&format!("organisation={OTHER}"), vec![3]),
        ("limit=1", vec![7]),
    ] {
        let answer = api.ok(&format!("/v1/reminders?{question}")).await;
        assert_eq!(listed(&answer), ids(&expected), "{question}");
        assert_eq!(answer["truncated"], question == "limit=1", "{question}");
    }
    let since = api.ok(&format!("/v1/reminders?since={}", at(MIDNIGHT + 6 * 3600))).await;
    assert_eq!(listed(&since), ids(&[7, 6]), "the start belongs to it");
    let shown = api.ok(&format!("/v1/reminders/{}", id(6, 310_101))).await;
    assert_eq!(shown["open_instead"], json!(id(1, 310_101)));
    assert_eq!(shown["history"][0]["refused"], "already_open");
}

#[tokio::test]
async fn an_office_sees_the_reminders_of_its_own_district_and_no_others() {
    let city = City::new().await;
    store(&city, &[row(1, 310_101, 1, "sent", &json!({})), row(2, 310_104, 1, "sent", &json!({}))]).await;
    let api = city.api().await;
    for role in [Role::Regulator, Role::District] {
        let own = body(get(&api, role, in_district(310_101), "/v1/reminders").await, 200).await;
        assert_eq!(listed(&own), [json!(id(1, 310_101))]);
        for (path, field) in [
            ("/v1/reminders?district=310104".to_owned(), "district"),
            ("/v1/reminders?district=31".to_owned(), "district"),
            (format!("/v1/reminders/{}", id(2, 310_104)), "id"),
        ] {
            let refused = problem(get(&api, role, in_district(310_101), &path).await, 403).await;
            assert_eq!(refused, ("out-of-scope".to_owned(), field.to_owned()), "{path}");
        }
        let path = format!("/v1/reminders/{}", id(2, 310_104));
        assert_eq!(get(&api, role, in_district(3101), &path).await.status(), 200);
    }
}

#[tokio::test]
async fn an_operator_sees_what_was_sent_to_its_organisation_and_nothing_of_others() {
    let city = City::new().await;
    let rows = [
        row(1, 310_101, 1, "sent", &json!({})),
        row(2, 310_101, 2, "sent", &json!({"organisation": OTHER})),
        row(3, 310_101, 3, "refused", &json!({"refused": "already_open", "open_instead": id(1, 310_101)})),
    ];
    store(&city, &rows).await;
    let api = city.api().await;
    for question in ["", "?district=310101", "?state=sent", &format!("?organisation={ORGANISATION}")] {
        let path = format!("/v1/reminders{question}");
        let own = body(by_operator(&api, ORGANISATION, &path).await, 200).await;
        assert_eq!(listed(&own), [json!(id(1, 310_101))], "{question}");
    }
    let refused = body(by_operator(&api, ORGANISATION, "/v1/reminders?state=refused").await, 200).await;
    assert_eq!(listed(&refused), [] as [Value; 0], "it was never sent");
    let path = format!("/v1/reminders?organisation={OTHER}");
    let elsewhere = problem(by_operator(&api, ORGANISATION, &path).await, 403).await;
    assert_eq!(elsewhere, ("out-of-scope".to_owned(), "organisation".to_owned()));

    // Another one's, one that was refused, and one that there is not: the same to the last letter.
    let mut told = Vec::new();
    for number in [2, 3, 4] {
        let answer = by_operator(&api, ORGANISATION, &format!("/v1/reminders/{}", id(number, 310_101))).await;
        assert_eq!(answer.status(), 404, "{number}");
        told.push(answer.text().await.expect("a text"));
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("unknown-reminder"), "{told:?}");
}

#[tokio::test]
async fn what_is_not_known_and_what_is_wrong_is_said() {
    let city = City::new().await;
    let api = city.api().await;
    let unknown = problem(api.get(&format!("/v1/reminders/{}", id(7, 310_101))).await, 404).await;
    assert_eq!(unknown, ("unknown-reminder".to_owned(), "id".to_owned()));
    for (path, field) in [
        ("/v1/reminders/seven", "id"),
        ("/v1/reminders?state=lost", "state"),
        ("/v1/reminders?since=yesterday", "since"),
        ("/v1/reminders?district=7", "district"),
        ("/v1/reminders?matter=no_code", "matter"),
    ] {
        assert_eq!(problem(api.get(path).await, 422).await.1, field, "{path}");
    }
}
