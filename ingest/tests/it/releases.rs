//! Asking to read of anyone's movements, and deciding about it: who may, what goes to Kafka, and what is sealed.

use schemas::{
    KeyRing, ReleaseEvent,
    access::Role,
    events::{DeclineReason, ReleaseAction},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::gateway::{Gateway, IDENTITY_KEY, PERSON, with};

const REQUEST: Uuid = Uuid::from_u128(1);

fn good() -> Value {
    json!({"request_id": REQUEST, "district": 310_101, "case": "沪-2022-17", "case_kind": "confirmed", "evidence": "PCR-9",
        "purpose": "contact_tracing", "persons": [PERSON], "from": "2022-05-23T00:00:00+08:00",
        "to": "2022-05-25T00:00:00+08:00", "note": "张三丰"})
}

fn release() -> Uuid {
    ReleaseEvent::derive_id(310_101, "li", REQUEST)
}

async fn records(gateway: &Gateway) -> Vec<ReleaseEvent> {
    gateway.records("releases", ReleaseEvent::try_parse, |record| record.release.to_string()).await
}

const LI: (Role, &str) = (Role::Epidemiologist, "li");
const WU: (Role, &str) = (Role::Supervisor, "wu");

#[tokio::test]
async fn what_is_asked_for_and_decided_is_kept_with_its_accounts_and_sealed_notes() {
    let gateway = Gateway::start_with(|config| config.releases.release_hours = 2).await;
    let answer = gateway.post_within(LI, Some(31), "/v1/releases", &good()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let body: Value = serde_json::from_str(&answer.text).expect("JSON");
    assert_eq!(body, json!({"command": release(), "follow": format!("/v1/releases/{}", release())}));
    let path = |what: &str| format!("/v1/releases/{}/{what}", release());
    let declined =
        json!({"request_id": Uuid::from_u128(2), "outcome": "decline", "reason": "too_broad", "note": "李四"});
    for (who, what, body) in [
        (WU, "decision", json!({"request_id": Uuid::from_u128(3), "outcome": "release"})),
        (WU, "decision", declined),
        (LI, "withdrawal", json!({"request_id": Uuid::from_u128(4)})),
        (WU, "withdrawal", json!({"request_id": Uuid::from_u128(5)})),
    ] {
        assert_eq!(gateway.post_within(who, None, &path(what), &body).await.status, 202, "{what} {body}");
    }

    let records = records(&gateway).await;
    let ReleaseAction::Ask(asking) = &records[0].action else { panic!("not asked first") };
    assert_eq!((asking.by.as_str(), asking.case.as_str(), asking.hops), ("li", "沪-2022-17", 1));
    assert_eq!(asking.expires_at_ms - records[0].at_ms, 2 * 3_600_000);
    assert_eq!(asking.persons, [PERSON.parse().expect("a key")]);
    let keys = KeyRing::try_parse(IDENTITY_KEY).expect("valid");
    let open = |record, sealed: &Option<String>| {
        let place = service::sealing::Place { record, field: "note" };
        let text = service::sealing::open(&keys, place, sealed.as_deref().expect("a note")).expect("opens");
        String::from_utf8(text).expect("text")
    };
    assert_eq!(open(release(), &asking.sealed_note), "张三丰");
    let ReleaseAction::Release { by, expires_at_ms, .. } = &records[1].action else { panic!("not released") };
    assert_eq!((by.as_str(), expires_at_ms - records[1].at_ms), ("wu", 2 * 3_600_000));
    let ReleaseAction::Decline { command, reason, sealed_note, .. } = &records[2].action else { panic!("no") };
    assert_eq!((*reason, open(*command, sealed_note).as_str()), (DeclineReason::TooBroad, "李四"));
    let by_supervisor = |record: &ReleaseEvent| match &record.action {
        ReleaseAction::Withdraw { by_supervisor, .. } => *by_supervisor,
        _ => panic!("not withdrawn"),
    };
    assert_eq!((by_supervisor(&records[3]), by_supervisor(&records[4])), (false, true));
    gateway.stop().await;
}

#[tokio::test]
async fn the_same_request_of_another_account_is_another_release() {
    let gateway = Gateway::start().await;
    for account in ["li", "li", "zhao"] {
        let answer = gateway.post_within((Role::Epidemiologist, account), None, "/v1/releases", &good()).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
    }
    let ids: Vec<Uuid> = records(&gateway).await.iter().map(|record| record.release).collect();
    assert!(ids.iter().filter(|id| **id == release()).count() == 2 && ids.iter().any(|id| *id != release()), "{ids:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn what_a_citys_office_asks_for_is_decided_without_a_limit() {
    let gateway = Gateway::start().await;
    let body = with(good(), "district", json!(310_100));
    let asked = gateway.post_within(LI, Some(3101), "/v1/releases", &body).await;
    assert_eq!(asked.status, 202, "{}", asked.text);
    let asked: Value = serde_json::from_str(&asked.text).expect("JSON");
    let path = |what: &str| format!("/v1/releases/{}/{what}", asked["command"].as_str().expect("a release"));
    let decision = json!({"outcome": "release"});
    for district in [31, 3101] {
        let answer = gateway.post_within(WU, Some(district), &path("decision"), &decision).await;
        assert_eq!(answer.refusal(), (403, "out-of-scope".to_owned(), Some("id".to_owned())), "{}", answer.text);
    }
    assert_eq!(gateway.post_within(WU, None, &path("decision"), &decision).await.status, 202);
    assert_eq!(
        gateway.post_within(WU, Some(3101), &path("withdrawal"), &json!({})).await.status,
        202,
        "less is read by it"
    );
    gateway.stop().await;
}

#[tokio::test]
async fn a_fault_names_its_field_and_goes_nowhere() {
    let gateway = Gateway::start().await;
    let many = |value: Value| Value::Array(vec![value; 501]);
    let (missing, invalid) = ("missing-field", "invalid-field");
    for (field, value, kind) in [
        ("purpose", Value::Null, missing),
        ("purpose", json!("curiosity"), invalid),
        ("case", Value::Null, missing),
        ("case", json!(" "), invalid),
        ("case", json!("34052419800101001X"), invalid),
        ("case_kind", Value::Null, missing),
        ("case_kind", json!("rumour"), invalid),
        ("evidence", Value::Null, missing),
        ("evidence", json!("13800000000"), invalid),
        ("evidence", json!("x".repeat(65)), invalid),
        ("district", Value::Null, missing),
        ("district", json!(31), invalid),
        ("persons", Value::Null, missing),
        ("persons", json!(["x"]), invalid),
        ("persons", many(json!(PERSON)), invalid),
        ("venues", many(json!(7)), invalid),
        ("from", Value::Null, missing),
        ("from", json!("1999-01-01T00:00:00Z"), invalid),
        ("to", json!("2022-05-23T00:00:00+08:00"), invalid),
        ("to", json!("tomorrow"), invalid),
        ("hops", json!(4), invalid),
        ("window_minutes", json!(0), invalid),
        ("window_minutes", json!(1441), invalid),
        ("note", json!("长".repeat(501)), invalid),
        ("colour", json!("green"), "unknown-field"),
    ] {
        let body = with(good(), field, value);
        let answer = gateway.post_within(LI, None, "/v1/releases", &body).await;
        assert_eq!(answer.refusal(), (422, kind.to_owned(), Some(field.to_owned())), "{}", answer.text);
    }
    let decision = format!("/v1/releases/{}/decision", release());
    for (path, body, field) in [
        ("/v1/releases/7/decision", json!({"outcome": "release"}), "id"),
        (&decision, json!({}), "outcome"),
        (&decision, json!({"outcome": "decline"}), "reason"),
        (&decision, json!({"outcome": "decline", "reason": "mood"}), "reason"),
        (&decision, json!({"outcome": "release", "reason": "too_broad"}), "reason"),
        (&decision, json!({"outcome": "release", "note": "x"}), "note"),
    ] {
        let answer = gateway.post_within(WU, None, path, &body).await;
        assert_eq!((answer.refusal().0, answer.refusal().2.as_deref()), (422, Some(field)), "{body}: {}", answer.text);
    }
    assert!(records(&gateway).await.is_empty());
    gateway.stop().await;
}

#[tokio::test]
async fn nobody_asks_or_decides_outside_the_district_of_their_token() {
    let gateway = Gateway::start().await;
    let paths = ["decision", "withdrawal"].map(|what| format!("/v1/releases/{}/{what}", release()));
    let release = json!({"outcome": "release"});
    for (own, status) in [(310_101, 202), (31, 202), (310_104, 403), (32, 403)] {
        for (who, path, body, field) in [
            (LI, "/v1/releases", &good(), "district"),
            (WU, paths[0].as_str(), &release, "id"),
            (LI, paths[1].as_str(), &json!({}), "id"),
        ] {
            let answer = gateway.post_within(who, Some(own), path, body).await;
            assert_eq!(answer.status, status, "{own} {path}: {}", answer.text);
            if status == 403 {
                assert_eq!(answer.refusal(), (403, "out-of-scope".to_owned(), Some(field.to_owned())));
            }
        }
    }
    assert_eq!(records(&gateway).await.len(), 6, "what is refused goes nowhere");
    gateway.stop().await;
}
