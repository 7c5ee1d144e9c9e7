//! Asking for a person to be erased and deciding about it: who may, what goes to Kafka; and that the gateway takes nothing in
//! of who was.

use std::time::Duration;

use benches::link::Link;
use rdkafka::producer::{FutureProducer, FutureRecord};
use schemas::{
    Document, DocumentType, ErasureEvent, KeyRing, PersonDigest, PersonKey,
    access::Role,
    events::{ErasureAction, ErasureBasis, ErasureDeclineReason, Grounds},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::gateway::{Gateway, ID_CARD, PERSON, PERSON_KEY, ago, brokers, with};

const REQUEST: Uuid = Uuid::from_u128(1);
const LI: (Role, &str) = (Role::District, "li");
const WU: (Role, &str) = (Role::Supervisor, "wu");

fn good() -> Value {
    json!({"request_id": REQUEST, "district": 310_101, "document": {"type": "id_card", "number": ID_CARD},
        "basis": "consent_withdrawn", "evidence": "撤回-17"})
}

fn erasure() -> Uuid {
    ErasureEvent::derive_id(310_101, "li", REQUEST)
}

fn decision() -> String {
    format!("/v1/erasures/{}/decision", erasure())
}

async fn records(gateway: &Gateway) -> Vec<ErasureEvent> {
    gateway.records("erasures", ErasureEvent::try_parse, ErasureEvent::key).await
}

#[tokio::test]
async fn what_is_asked_for_and_decided_is_kept_with_its_accounts_and_without_the_document() {
    let gateway = Gateway::start().await;
    let answer = gateway.post_within(LI, Some(310_101), "/v1/erasures", &good()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let body: Value = serde_json::from_str(&answer.text).expect("JSON");
    assert_eq!(body, json!({"command": erasure(), "follow": format!("/v1/erasures/{}", erasure())}));
    let declined = json!({"request_id": Uuid::from_u128(2), "outcome": "decline", "reason": "still_needed"});
    let document = &good()["document"];
    let by_document = json!({"request_id": Uuid::from_u128(3), "outcome": "confirm", "document": document});
    let by_key = json!({"request_id": Uuid::from_u128(4), "outcome": "confirm", "person": PERSON});
    for body in [by_document, declined, by_key] {
        assert_eq!(gateway.post_within(WU, None, &decision(), &body).await.status, 202, "{body}");
    }
    let records = records(&gateway).await;
    let ErasureAction::Ask(ask) = &records[0].action else { panic!("not asked first") };
    let keys = KeyRing::try_parse(PERSON_KEY).expect("valid");
    let card = Document::try_new(DocumentType::IdCard, ID_CARD).expect("valid");
    assert_eq!(
        (ask.by.as_str(), ask.person, ask.evidence.as_str()),
        ("li", PersonKey::derive(&keys, &card), "撤回-17")
    );
    assert_eq!((ask.basis, ask.expires_at_ms - records[0].at_ms), (ErasureBasis::ConsentWithdrawn, 72 * 3_600_000));
    let confirm = |command, digest| {
        let (command, by, digests) = (Uuid::from_u128(command), "wu".to_owned(), vec![digest]);
        ErasureAction::Confirm { command, by, digests }
    };
    let other = confirm(4, PersonDigest::of(PERSON.parse().expect("a key")));
    let confirm = confirm(3, PersonDigest::of(ask.person));
    let (command, reason) = (Uuid::from_u128(2), ErasureDeclineReason::StillNeeded);
    let decline = ErasureAction::Decline { command, by: "wu".to_owned(), reason };
    assert_eq!((&records[1].action, &records[2].action, &records[3].action), (&confirm, &decline, &other));
    gateway.stop().await;
}

#[tokio::test]
async fn a_fault_names_its_field_and_goes_nowhere() {
    let gateway = Gateway::start().await;
    let (missing, invalid) = ("missing-field", "invalid-field");
    for (field, value, kind) in [
        ("district", Value::Null, missing),
        ("district", json!(31), invalid),
        ("basis", Value::Null, missing),
        ("basis", json!("mood"), invalid),
        ("evidence", Value::Null, missing),
        ("evidence", json!(" "), invalid),
        ("evidence", json!("13800000000"), invalid),
        ("evidence", json!("x".repeat(65)), invalid),
        ("person", json!("x"), invalid),
        ("colour", json!("green"), "unknown-field"),
    ] {
        let body = with(good(), field, value);
        let answer = gateway.post_within(WU, None, "/v1/erasures", &body).await;
        assert_eq!(answer.refusal(), (422, kind.to_owned(), Some(field.to_owned())), "{}", answer.text);
    }
    let nobody = with(good(), "document", Value::Null);
    let answer = gateway.post_within(WU, None, "/v1/erasures", &nobody).await;
    assert_eq!(answer.refusal(), (422, missing.to_owned(), Some("person".to_owned())), "{}", answer.text);
    let both = with(good(), "person", json!(PERSON));
    let answer = gateway.post_within(WU, None, "/v1/erasures", &both).await;
    assert_eq!(answer.refusal(), (422, invalid.to_owned(), Some("document".to_owned())), "{}", answer.text);
    let document = &good()["document"];
    for (path, body, field) in [
        ("/v1/erasures/7/decision", json!({"outcome": "confirm", "person": PERSON}), "id"),
        (&decision(), json!({}), "outcome"),
        (&decision(), json!({"outcome": "confirm"}), "person"),
        (&decision(), json!({"outcome": "confirm", "person": "x"}), "person"),
        (&decision(), json!({"outcome": "decline", "reason": "no_evidence", "person": PERSON}), "person"),
        (&decision(), json!({"outcome": "decline", "reason": "no_evidence", "document": document}), "document"),
        (&decision(), json!({"outcome": "decline"}), "reason"),
        (&decision(), json!({"outcome": "decline", "reason": "mood"}), "reason"),
        (&decision(), json!({"outcome": "confirm", "person": PERSON, "reason": "no_evidence"}), "reason"),
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
    let confirm = json!({"outcome": "confirm", "person": PERSON});
    for (own, status) in [(310_101, 202), (31, 202), (310_104, 403), (32, 403)] {
        for (who, path, body, field) in
            [(LI, "/v1/erasures", &good(), "district"), (WU, decision().as_str(), &confirm, "id")]
        {
            let answer = gateway.post_within(who, Some(own), path, body).await;
            assert_eq!(answer.status, status, "{own} {path}: {}", answer.text);
            if status == 403 {
                assert_eq!(answer.refusal(), (403, "out-of-scope".to_owned(), Some(field.to_owned())));
            }
        }
    }
    assert_eq!(records(&gateway).await.len(), 4, "what is refused goes nowhere");
    // What a whole city's office asks for is decided without a limit.
    let body = with(good(), "district", json!(310_100));
    let asked: Value =
        serde_json::from_str(&gateway.post_within(WU, None, "/v1/erasures", &body).await.text).expect("JSON");
    let path = format!("/v1/erasures/{}/decision", asked["command"].as_str().expect("an erasure"));
    let answer = gateway.post_within(WU, Some(3101), &path, &confirm).await;
    assert_eq!(answer.refusal(), (403, "out-of-scope".to_owned(), Some("id".to_owned())), "{}", answer.text);
    assert_eq!(gateway.post_within(WU, None, &path, &confirm).await.status, 202);
    gateway.stop().await;
}

/// Writes down that a person was erased, as the processor does when it was.
async fn erased(gateway: &Gateway, person: &str) {
    let before_ms = chrono::Utc::now().timestamp_millis();
    let grounds = Grounds {
        digest: PersonDigest::of(person.parse().expect("a key")),
        before_ms,
        basis: ErasureBasis::Ordered,
        evidence: "E".to_owned(),
        asked_by: "li".to_owned(),
        asked_at_ms: before_ms,
        expires_at_ms: before_ms,
        confirmed_by: "wu".to_owned(),
    };
    let action = ErasureAction::Done { grounds: Box::new(grounds), removed: Vec::new(), remains: Vec::new() };
    let event = ErasureEvent { v: 1, erasure: erasure(), at_ms: before_ms, action };
    send(gateway, "erasures", &event.key(), Some(&json!(event).to_string()), before_ms).await;
}

async fn send(gateway: &Gateway, topic: &str, key: &str, value: Option<&str>, at_ms: i64) {
    let mut config = gateway.config.kafka.clone();
    config.brokers = brokers();
    let producer: FutureProducer = config.producer().create().expect("a producer");
    let topic = format!("{}{topic}", config.topic_prefix);
    let mut record = FutureRecord::<str, str>::to(&topic).key(key).timestamp(at_ms);
    record.payload = value;
    producer.send(record, Duration::from_secs(20)).await.expect("acknowledged");
}

async fn colour(gateway: &Gateway) -> String {
    let answer = gateway.scan(&json!({"venue": 7, "person": PERSON})).await.ok();
    answer["colour"].as_str().expect("a colour").to_owned()
}

#[tokio::test]
async fn who_was_erased_has_no_colour_here_whatever_is_read_again_until_a_new_one_comes() {
    let gateway = Gateway::start().await;
    gateway.load_venue(7).await;
    gateway.load_healthy(PERSON).await;
    gateway.eventually("green", async |gateway| colour(gateway).await == "green").await;
    let copies: Vec<_> = gateway.messages("health").await;
    let sent_at_ms = chrono::Utc::now().timestamp_millis() - 60_000;
    tokio::time::sleep(Duration::from_millis(20)).await;
    erased(&gateway, PERSON).await;
    for topic in ["health", "tests"] {
        send(&gateway, topic, PERSON, None, chrono::Utc::now().timestamp_millis()).await;
    }
    gateway.eventually("forgotten", async |gateway| colour(gateway).await == "unknown").await;
    for (key, value) in &copies {
        send(&gateway, "health", key, Some(value), sent_at_ms).await;
    }
    // What is read after the copies tells that they were read.
    let marker = json!({"person": "1123456789abcd00", "colour": "red", "since": ago(60), "issuer": "CDC", "evidence": "E", "reason": "r"});
    gateway.batch("/v1/health-codes:batch", &[marker]).await.ok();
    let red = async |gateway: &Gateway| {
        gateway.scan(&json!({"venue": 7, "person": "1123456789abcd00"})).await.ok()["colour"] == "red"
    };
    gateway.eventually("the marker", red).await;
    assert_eq!(colour(&gateway).await, "unknown", "a copy of an old message brought it back");
    let gateway = gateway.restart().await;
    assert_eq!(colour(&gateway).await, "unknown", "so did reading the topics whole");
    gateway.load_healthy(PERSON).await;
    gateway.eventually("green again", async |gateway| colour(gateway).await == "green").await;
    gateway.stop().await;
}

#[tokio::test]
async fn what_waits_in_the_spool_of_who_was_erased_is_not_sent_on() {
    let (link, spool) = (Link::to_kafka(&brokers()).await.expect("a link"), tempfile::tempdir().expect("a directory"));
    let gateway = Gateway::start_with(|config| {
        config.kafka.brokers = link.address.to_string();
        config.spool.directory = Some(spool.path().to_owned());
    })
    .await;
    gateway.load_venue(7).await;
    link.cut();
    let other = "1123456789abcd00";
    for person in [PERSON, other] {
        gateway.scan(&json!({"venue": 7, "person": person})).await.ok();
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    erased(&gateway, PERSON).await;
    // The one that comes next finds both in the spool.
    let restarted = async { gateway.restart().await };
    let mending = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        link.mend();
    };
    let (gateway, ()) = futures::join!(restarted, mending);
    let there = async |gateway: &Gateway, person: &str| {
        gateway.stored_scans().await.iter().any(|scan| scan.person.to_string() == person)
    };
    gateway.eventually("sent on", async |gateway| there(gateway, other).await).await;
    assert!(!there(&gateway, PERSON).await);
    gateway.stop().await;
}
