//! Applications for venue codes: what is taken, what goes to Kafka, and what the gateway makes of what was decided.

use schemas::{
    ApplicationEvent, KeyRing,
    access::{Role, Scope},
    events::{ApplicationAction, Rejection},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::gateway::{Answer, Gateway, ID_CARD, IDENTITY_KEY, ORGANISATION, PERSON, ago};

/// A venue as the registry numbers them.
const VENUE: u32 = 1 << 31;

fn application() -> Value {
    json!({"request_id": "018f0000-0000-7000-8000-000000000001", "channel": "mobile",
        "applicant": {"kind": "agent", "document": {"type": "id_card", "number": ID_CARD}},
        "organisation": {"credit_code": ORGANISATION, "name": "茶业公司", "kind": "company"},
        "category": "catering", "name": "茶馆", "district": 310_101, "address": "福州路1号",
        "responsible": {"name": "张三丰", "phone": "+86 138-0000-0000"}})
}

fn with(path: &str, value: Value) -> Value {
    let mut application = application();
    let (outer, field) = path.rsplit_once('.').unwrap_or(("", path));
    let object = if outer.is_empty() { &mut application } else { &mut application[outer] };
    if value.is_null() {
        object.as_object_mut().expect("an object").remove(field);
    } else {
        object[field] = value;
    }
    application
}

async fn post(gateway: &Gateway, path: &str, body: &Value) -> Answer {
    gateway.post(path, "application/json", body.to_string()).await
}

async fn commands(gateway: &Gateway) -> Vec<ApplicationEvent> {
    gateway.records("applications", ApplicationEvent::try_parse, |event| event.organisation.clone()).await
}

#[tokio::test]
async fn an_application_goes_to_kafka_with_its_people_sealed() {
    let gateway = Gateway::start().await;
    let answer = post(&gateway, "/v1/applications", &application()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let again = post(&gateway, "/v1/applications", &application()).await;
    assert_eq!(again.text, answer.text, "sent again it is the same application");
    let body: Value = serde_json::from_str(&answer.text).expect("JSON");
    assert_eq!(body["follow"], format!("/v1/applications/{}", body["command"].as_str().expect("an identity")));

    for (_, message) in gateway.messages("applications").await {
        for secret in ["张三丰", "138-0000-0000", "13800000000", ID_CARD] {
            assert!(!message.contains(secret), "{secret} in {message}");
        }
    }
    let event = commands(&gateway).await.remove(0);
    assert_eq!(body["command"], event.command.to_string());
    let ApplicationAction::Submit(submission) = event.action else { panic!("no submission") };
    let keys = KeyRing::try_parse(IDENTITY_KEY).expect("valid");
    let place = service::sealing::Place { record: event.command, field: "responsible" };
    let opened: Value =
        serde_json::from_slice(&service::sealing::open(&keys, place, &submission.sealed).expect("opens"))
            .expect("JSON");
    assert_eq!(opened, json!({"name": "张三丰", "phone": "+86 138-0000-0000"}));
    gateway.stop().await;
}

#[tokio::test]
async fn a_fault_names_its_field_and_goes_nowhere() {
    let gateway = Gateway::start().await;
    for (path, value, field) in [
        ("channel", json!("post"), "channel"),
        ("applicant.kind", json!("cousin"), "applicant.kind"),
        ("applicant.kind", json!("employee"), "applicant.kind"),
        ("applicant.document", Value::Null, "person"),
        ("applicant", Value::Null, "applicant"),
        ("organisation.credit_code", json!("91310000MA1FL0000A"), "organisation.credit_code"),
        ("organisation.name", json!(" "), "organisation.name"),
        ("organisation.kind", json!("other"), "organisation.kind"),
        ("organisation.kind", json!("club"), "organisation.kind"),
        ("category", json!("teahouse"), "category"),
        ("name", json!(""), "name"),
        ("district", json!(31), "district"),
        ("address", Value::Null, "address"),
        ("latitude", json!(31.2), "longitude"),
        ("responsible.phone", json!("ring me"), "responsible.phone"),
        ("responsible.name", json!("\n"), "responsible.name"),
        ("responsible", Value::Null, "responsible"),
        ("starts_at", json!(ago(0)), "starts_at"),
        ("request_id", json!("7"), "request_id"),
        ("rank", json!(1), "rank"),
    ] {
        let answer = post(&gateway, "/v1/applications", &with(path, value)).await;
        assert_eq!((answer.refusal().0, answer.refusal().2.as_deref()), (422, Some(field)), "{path}: {}", answer.text);
    }
    let review = format!("/v1/applications/{}/reviews", Uuid::from_u128(1));
    for (body, field) in [
        (json!({"organisation": ORGANISATION}), "outcome"),
        (json!({"organisation": "x", "outcome": "approve"}), "organisation"),
        (json!({"organisation": ORGANISATION, "outcome": "approve", "reason": "other"}), "reason"),
        (json!({"organisation": ORGANISATION, "outcome": "reject"}), "reason"),
        (json!({"organisation": ORGANISATION, "outcome": "reject", "reason": "quota"}), "reason"),
        (json!({"organisation": ORGANISATION, "outcome": "reject", "reason": "other"}), "note"),
    ] {
        let answer = post(&gateway, &review, &body).await;
        assert_eq!((answer.refusal().0, answer.refusal().2.as_deref()), (422, Some(field)), "{body}: {}", answer.text);
    }
    let answer = post(&gateway, "/v1/applications/7/withdrawal", &json!({"organisation": ORGANISATION})).await;
    assert_eq!(answer.refusal(), (422, "invalid-field".to_owned(), Some("id".to_owned())));
    assert!(commands(&gateway).await.is_empty());
    gateway.stop().await;
}

#[tokio::test]
async fn reviews_and_withdrawals_are_commands_of_their_organisation() {
    let gateway = Gateway::start().await;
    let id = Uuid::from_u128(7);
    let review =
        json!({"organisation": ORGANISATION, "outcome": "reject", "reason": "vague_address", "note": "几号？"});
    assert_eq!(post(&gateway, &format!("/v1/applications/{id}/reviews"), &review).await.status, 202);
    let withdrawal = json!({"organisation": ORGANISATION, "request_id": Uuid::from_u128(9)});
    assert_eq!(post(&gateway, &format!("/v1/applications/{id}/withdrawal"), &withdrawal).await.status, 202);
    let commands = commands(&gateway).await;
    let (rejected, note, within) = (Some(Rejection::VagueAddress), Some("几号？".to_owned()), None);
    assert_eq!(commands[0].action, ApplicationAction::Review { application: id, rejected, note, within });
    assert_eq!(commands[1].action, ApplicationAction::Withdraw { application: id });
    assert_eq!(commands[1].command, Uuid::from_u128(9));
    gateway.stop().await;
}

#[tokio::test]
async fn commands_are_held_to_the_scope_of_their_sender() {
    let gateway = Gateway::start().await;
    let refused = |field: &str| (403, "out-of-scope".to_owned(), Some(field.to_owned()));
    let other = Scope { organisation: Some("91310000MA1FL0001R".to_owned()), ..Scope::default() };
    let answer = gateway.post_as((Role::Operator, "it"), other.clone(), "/v1/applications", &application()).await;
    assert_eq!(answer.refusal(), refused("organisation"));
    let own = Scope { organisation: Some(ORGANISATION.to_owned()), ..Scope::default() };
    let somebody = Scope { person: PERSON.parse().ok(), ..own.clone() };
    let answer = gateway.post_as((Role::Operator, "it"), somebody, "/v1/applications", &application()).await;
    assert_eq!(answer.refusal(), refused("document"), "the applicant is another person");
    let elsewhere = Scope { district: Some(320_101), ..own };
    let answer = gateway.post_as((Role::Operator, "it"), elsewhere, "/v1/applications", &application()).await;
    assert_eq!(answer.refusal(), refused("district"));
    let withdrawal = format!("/v1/applications/{}/withdrawal", Uuid::from_u128(1));
    let command = json!({"organisation": ORGANISATION});
    assert_eq!(
        gateway.post_as((Role::Operator, "it"), other, &withdrawal, &command).await.refusal(),
        refused("organisation")
    );
    assert!(commands(&gateway).await.is_empty());

    // Where the venue lies the registry knows: the command says how far the reviewer may go.
    let review = format!("/v1/applications/{}/reviews", Uuid::from_u128(1));
    let approval = json!({"organisation": ORGANISATION, "outcome": "approve"});
    let district = Scope { district: Some(3101), ..Scope::default() };
    assert_eq!(gateway.post_as((Role::Reviewer, "it"), district, &review, &approval).await.status, 202);
    let ApplicationAction::Review { within, .. } = commands(&gateway).await.remove(0).action else {
        panic!("no review")
    };
    assert_eq!(within, Some(3101));
    gateway.stop().await;
}

/// A message of the directory as the registry sends it.
fn decided(revision: u64, serial: u8, more: &Value) -> Value {
    let mut event = json!({"v": 1, "venue": VENUE, "serial": serial, "status": "active", "name": "茶馆",
        "category": "catering", "district": 310_101, "address": "福州路1号", "organisation": ORGANISATION, "revision": revision});
    for (field, value) in more.as_object().expect("an object") {
        event[field] = value.clone();
    }
    event
}

/// Sends directory messages and waits until the gateway has read them all.
async fn publish(gateway: &Gateway, events: &[Value], marker: u32) {
    let producer: rdkafka::producer::FutureProducer = gateway.config.kafka.producer().create().expect("a producer");
    let topic = gateway.config.kafka.topics().venues;
    let mut last = decided(0, 0, &json!({}));
    last["venue"] = marker.into();
    for event in events.iter().chain([&last]) {
        let (key, payload) = (event["venue"].to_string(), event.to_string());
        // All to one partition, so that the marker comes last.
        let record = rdkafka::producer::FutureRecord::to(&topic).partition(0).key(&key).payload(&payload);
        producer.send(record, crate::gateway::PATIENCE).await.expect("acknowledged");
    }
    let code = gateway.code(marker, 0);
    gateway.eventually("read", async |gateway| gateway.get(&format!("/v1/codes/{code}")).await.status == 200).await;
}

#[tokio::test]
async fn an_older_decision_that_comes_late_changes_nothing() {
    let gateway = Gateway::start().await;
    publish(&gateway, &[decided(7, 1, &json!({})), decided(5, 0, &json!({}))], VENUE + 256).await;
    assert_eq!(gateway.get(&format!("/v1/codes/{}", gateway.code(VENUE, 1))).await.status, 200);
    let older = gateway.get(&format!("/v1/codes/{}", gateway.code(VENUE, 0))).await;
    assert_eq!(older.refusal(), (409, "revoked-code".to_owned(), Some("code".to_owned())));

    let command = json!({"organisation": ORGANISATION});
    for what in ["revocation", "reissue"] {
        let answer = post(&gateway, &format!("/v1/venues/{VENUE}/{what}"), &command).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        assert!(answer.text.contains(&format!("/v1/applications?venue={VENUE}")), "{}", answer.text);
        gateway.load_venue(7).await;
        let loaded = post(&gateway, &format!("/v1/venues/7/{what}"), &command).await;
        assert_eq!(loaded.refusal(), (404, "unknown-venue".to_owned(), Some("venue".to_owned())));
    }
    assert_eq!(commands(&gateway).await.len(), 2);
    gateway.stop().await;
}

#[tokio::test]
async fn the_code_of_an_event_is_refused_before_it_begins_and_after_it_has_ended() {
    let gateway = Gateway::start().await;
    let now = chrono::Utc::now().timestamp();
    let times = |venue: u32, from: i64, until: i64| {
        decided(0, 0, &json!({"venue": venue, "valid_from": now + from, "valid_until": now + until}))
    };
    let events = [times(VENUE, -60, 600), times(VENUE + 1, -600, -60), times(VENUE + 2, 60, 600)];
    publish(&gateway, &events, VENUE + 256).await;
    let scan = async |venue| gateway.scan(&json!({"venue": venue, "person": PERSON})).await;
    assert_eq!(scan(VENUE).await.status, 200);
    for venue in [VENUE + 1, VENUE + 2] {
        assert_eq!(scan(venue).await.refusal(), (409, "code-not-in-force".to_owned(), Some("venue".to_owned())));
    }
    // A scan that was made in time and comes late counts.
    let late = gateway.scan(&json!({"venue": VENUE + 1, "person": PERSON, "scanned_at": ago(120)})).await;
    assert_eq!(late.status, 200, "{}", late.text);
    gateway.stop().await;
}
