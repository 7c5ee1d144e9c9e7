//! What a regulator reminds of, what is answered and settled: who may, what goes to Kafka, and what nobody is told.

use schemas::{
    ReminderEvent,
    access::{Role, Scope},
    events::{ReminderAction, ReminderMatter, ReminderOutcome, ReminderReply},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::gateway::{Answer, Gateway, ORGANISATION, venue_line};

const OTHER: &str = "91310000MA1FL0001R";

fn in_district(district: u32) -> Scope {
    Scope { district: Some(district), ..Scope::default() }
}

fn of_organisation(code: &str) -> Scope {
    Scope { organisation: Some(code.to_owned()), ..Scope::default() }
}

async fn post(gateway: &Gateway, (role, scope): (Role, Scope), path: &str, body: &Value) -> Answer {
    gateway.post_as((role, &format!("{role}-7")), scope, path, body).await
}

async fn records(gateway: &Gateway) -> Vec<ReminderEvent> {
    gateway.records("reminders", ReminderEvent::try_parse, |record| record.district.to_string()).await
}

/// So many days from now, in Shanghai.
fn day(days: i64) -> String {
    let there = chrono::Utc::now() + chrono::Duration::hours(8) + chrono::Duration::days(days);
    there.format("%Y-%m-%d").to_string()
}

fn without_code(request: u128) -> Value {
    json!({"request_id": Uuid::from_u128(request), "matter": "no_code", "organisation": ORGANISATION,
        "district": 310_101, "deadline": day(7), "note": "请尽快申领"})
}

#[tokio::test]
async fn what_is_sent_answered_and_settled_goes_to_the_log_of_its_district_with_its_accounts() {
    let gateway = Gateway::start().await;
    let reminder = ReminderEvent::derive_id(310_101, "regulator-7", Uuid::from_u128(1));
    let sent = post(&gateway, (Role::Regulator, in_district(3101)), "/v1/reminders", &without_code(1)).await;
    assert_eq!(sent.status, 202, "{}", sent.text);
    let body: Value = serde_json::from_str(&sent.text).expect("JSON");
    assert_eq!(body, json!({"command": reminder, "follow": format!("/v1/reminders/{reminder}")}));
    let path = |what: &str| format!("/v1/reminders/{reminder}/{what}");
    let (first, second) = (Uuid::from_u128(2), Uuid::from_u128(3));
    let answer = json!({"request_id": first, "reply": "mending", "note": "已递交申请"});
    assert_eq!(post(&gateway, (Role::Operator, of_organisation(OTHER)), &path("answer"), &answer).await.status, 202);
    let settle = json!({"request_id": second, "outcome": "interviewed", "note": "已约谈"});
    assert_eq!(post(&gateway, (Role::Regulator, Scope::default()), &path("settle"), &settle).await.status, 202);

    let records = records(&gateway).await;
    let [send, answer, settle] = &records[..] else { panic!("{records:?}") };
    let ReminderAction::Send(sending) = &send.action else { panic!("{send:?}") };
    assert_eq!(
        (sending.reminder, sending.by.as_str(), sending.matter),
        (reminder, "regulator-7", ReminderMatter::NoCode)
    );
    assert_eq!((sending.organisation.as_str(), sending.venue), (ORGANISATION, None));
    assert_eq!((sending.due_at + 8 * 3600) % 86_400, 0, "a midnight of the city");
    let by = |role: &str| format!("{role}-7");
    // Whose it is the fold says: here only whose token it was.
    let (organisation, note) = (OTHER.to_owned(), Some("已递交申请".to_owned()));
    let expected = ReminderAction::Answer {
        reminder,
        command: first,
        by: by("operator"),
        organisation,
        reply: ReminderReply::Mending,
        note,
    };
    assert_eq!(answer.action, expected);
    let (outcome, note) = (ReminderOutcome::Interviewed, Some("已约谈".to_owned()));
    let expected = ReminderAction::Settle { reminder, command: second, by: by("regulator"), outcome, note };
    assert_eq!(settle.action, expected);
    gateway.stop().await;
}

#[tokio::test]
async fn whose_a_venue_is_the_directory_says() {
    let gateway = Gateway::start().await;
    let (mut own, mut closed) = (venue_line(7), venue_line(9));
    (own["organisation"], own["district"]) = (ORGANISATION.into(), 310_104.into());
    (closed["organisation"], closed["status"]) = (ORGANISATION.into(), "revoked".into());
    gateway.batch("/v1/venues:batch", &[own, venue_line(8), closed]).await.ok();
    let body = |venue: u32| json!({"matter": "no_scans", "venue": venue, "deadline": day(0)});
    let send = async |scope, venue| post(&gateway, (Role::Regulator, scope), "/v1/reminders", &body(venue)).await;
    assert_eq!(send(Scope::default(), 7).await.status, 202);
    assert_eq!(send(in_district(310_104), 7).await.status, 202);
    for (scope, venue, refusal) in [
        (in_district(310_101), 7, (403, "out-of-scope")),
        (Scope::default(), 8, (422, "invalid-field")),
        (Scope::default(), 9, (409, "revoked-code")),
        (Scope::default(), 10, (404, "unknown-venue")),
    ] {
        let (status, kind, field) = send(scope, venue).await.refusal();
        assert_eq!(((status, kind.as_str()), field.as_deref()), (refusal, Some("venue")), "{venue}");
    }
    let records = records(&gateway).await;
    assert_eq!(records.len(), 2, "what is refused goes nowhere");
    for event in records {
        let ReminderAction::Send(sending) = event.action else { panic!("only sent") };
        assert_eq!((event.district, sending.organisation.as_str(), sending.venue), (310_104, ORGANISATION, Some(7)));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn an_office_speaks_of_the_reminders_of_its_own_district_and_no_others() {
    let gateway = Gateway::start().await;
    let path = |district, what: &str| {
        let reminder = ReminderEvent::derive_id(district, "regulator-7", Uuid::from_u128(1));
        format!("/v1/reminders/{reminder}/{what}")
    };
    let settle = json!({"outcome": "mended"});
    for (own, of, status) in [(310_101, 310_101, 202), (31, 310_101, 202), (310_101, 310_104, 403), (32, 310_101, 403)]
    {
        let answer = post(&gateway, (Role::Regulator, in_district(own)), &path(of, "settle"), &settle).await;
        assert_eq!(answer.status, status, "{own} {of}: {}", answer.text);
    }
    let elsewhere = post(&gateway, (Role::Regulator, in_district(310_104)), "/v1/reminders", &without_code(1)).await;
    assert_eq!(elsewhere.refusal(), (403, "out-of-scope".to_owned(), Some("district".to_owned())));
    // Of an operator's token with a district as well.
    let limited = Scope { district: Some(310_104), ..of_organisation(ORGANISATION) };
    let answer = post(&gateway, (Role::Operator, limited), &path(310_101, "answer"), &json!({"reply": "mended"})).await;
    assert_eq!(answer.refusal(), (403, "out-of-scope".to_owned(), Some("id".to_owned())));
    assert_eq!(records(&gateway).await.len(), 2);
    gateway.stop().await;
}

#[tokio::test]
async fn an_operator_learns_nothing_of_reminders_to_others() {
    let gateway = Gateway::start().await;
    let own = (Role::Regulator, Scope::default());
    assert_eq!(post(&gateway, own, "/v1/reminders", &without_code(1)).await.status, 202);
    let of = |request: u128| ReminderEvent::derive_id(310_101, "regulator-7", Uuid::from_u128(request));
    let mut answers = Vec::new();
    // Its own, another one's, and one that there is not.
    for (organisation, reminder) in [(ORGANISATION, of(1)), (OTHER, of(1)), (OTHER, of(2))] {
        let body = json!({"request_id": Uuid::from_u128(9), "reply": "mended"});
        let path = format!("/v1/reminders/{reminder}/answer");
        let answer = post(&gateway, (Role::Operator, of_organisation(organisation)), &path, &body).await;
        answers.push((answer.status, answer.text.replace(&reminder.to_string(), "ID")));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers[0].0, 202);
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let gateway = Gateway::start().await;
    let known = ReminderEvent::derive_id(310_101, "regulator-7", Uuid::from_u128(1)).to_string();
    let with = |changes: Value| {
        let mut body = without_code(1);
        for (name, value) in changes.as_object().expect("an object") {
            body[name] = value.clone();
        }
        body
    };
    let path = |id: &str, what: &str| format!("/v1/reminders/{id}/{what}");
    let (regulator, operator) = ((Role::Regulator, Scope::default()), (Role::Operator, of_organisation(ORGANISATION)));
    let list = "/v1/reminders".to_owned();
    for (who, path, body, field) in [
        (&regulator, list.clone(), with(json!({"matter": "no_freight_code"})), "matter"),
        (&regulator, list.clone(), with(json!({"deadline": day(-1)})), "deadline"),
        (&regulator, list.clone(), with(json!({"deadline": day(91)})), "deadline"),
        (&regulator, list.clone(), with(json!({"deadline": 7})), "deadline"),
        (&regulator, list.clone(), with(json!({"note": "联系13800000000"})), "note"),
        (&regulator, list.clone(), with(json!({"venue": 7})), "venue"),
        (&regulator, list, with(json!({"to": "all"})), "to"),
        (&regulator, path("7", "settle"), json!({"outcome": "mended"}), "id"),
        (&regulator, path("99999999-0000-8000-8000-000000000001", "settle"), json!({"outcome": "mended"}), "id"),
        (&regulator, path(&known, "settle"), json!({}), "outcome"),
        (&regulator, path(&known, "settle"), json!({"outcome": "fined"}), "outcome"),
        (&regulator, path(&known, "settle"), json!({"outcome": "mended", "note": "长".repeat(501)}), "note"),
        (&operator, path(&known, "answer"), json!({"reply": "never"}), "reply"),
        (&operator, path(&known, "answer"), json!({"reply": "objected"}), "note"),
        (&operator, path(&known, "answer"), json!({"reply": "mended", "note": "34052419800101001X"}), "note"),
        (&operator, path(&known, "answer"), json!({"reply": "mended", "organisation": OTHER}), "organisation"),
    ] {
        let answer = post(&gateway, who.clone(), &path, &body).await;
        let (status, _, named) = answer.refusal();
        assert_eq!((status, named.as_deref()), (422, Some(field)), "{path} {body}: {}", answer.text);
    }
    assert!(records(&gateway).await.is_empty());
    gateway.stop().await;
}
