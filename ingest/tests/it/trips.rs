//! Lorries in Kaifeng (S4): declaring a trip, taking it back, and what their scans carry and are told.

use schemas::{
    Document, DocumentType, KeyRing, PersonKey, Plate, PlateKey, TripEvent,
    access::{Role, Scope},
    events::{Declaration, FreightScan, FreightStop, TripAction},
};
use serde_json::{Value, json};
use service::sealing::{self, Place};

use crate::gateway::{Answer, Gateway, ID_CARD, IDENTITY_KEY, PERSON_KEY, ago, venue_line};

const PLATE: &str = "豫B12345";
const OTHER_PLATE: &str = "豫BD12345";
const RESTAURANT: u32 = 7;
const CHECKPOINT: u32 = 8;
const DESTINATION: u32 = 9;

fn keys() -> KeyRing {
    KeyRing::try_parse(PERSON_KEY).expect("valid")
}

fn driver() -> PersonKey {
    PersonKey::derive(&keys(), &Document::try_new(DocumentType::IdCard, ID_CARD).expect("valid"))
}

fn vehicle(plate: &str) -> PlateKey {
    PlateKey::derive(&keys(), &Plate::try_new(plate).expect("valid"))
}

fn answers() -> Value {
    json!({"name": "张三丰", "document": {"type": "id_card", "number": ID_CARD}, "plate": PLATE, "phone": "13800000000",
        "origin": "山东菏泽", "entry_point": "兰考", "expected_return": ago(-3600), "expected_leave": ago(-7200),
        "fever_cough": false, "risk_area": true})
}

fn trip() -> Value {
    json!({"request_id": "018f0000-0000-7000-8000-000000000001", "answers": answers(), "checkpoint": CHECKPOINT,
        "destination": DESTINATION})
}

fn with(path: &str, value: Value) -> Value {
    let mut trip = trip();
    *trip.pointer_mut(path).unwrap_or_else(|| panic!("no {path}")) = value;
    trip
}

async fn kaifeng() -> Gateway {
    let gateway = Gateway::start_with(|config| config.city.name = "kaifeng".to_owned()).await;
    let kinds = [(RESTAURANT, "restaurant"), (CHECKPOINT, "freight_checkpoint"), (DESTINATION, "freight_destination")];
    for (venue, category) in kinds {
        let mut line = venue_line(venue);
        (line["category"], line["district"]) = (category.into(), 410_202.into());
        assert_eq!(gateway.batch("/v1/venues:batch", &[line]).await.ok()["accepted"], 1);
    }
    gateway.load_healthy(&driver().to_string()).await;
    gateway
}

async fn post(gateway: &Gateway, path: &str, body: &Value) -> Answer {
    gateway.post(path, "application/json", body.to_string()).await
}

async fn as_citizen(gateway: &Gateway, person: PersonKey, path: &str, body: &Value) -> Answer {
    let scope = Scope { person: Some(person), ..Scope::default() };
    gateway.post_as((Role::Citizen, "citizen"), scope, path, body).await
}

async fn events(gateway: &Gateway) -> Vec<TripEvent> {
    gateway.records("trips", TripEvent::try_parse, |event| event.vehicle.to_string()).await
}

fn declaration(event: &TripEvent) -> Declaration {
    match &event.action {
        TripAction::Declare(declaration) => (**declaration).clone(),
        other => panic!("{other:?}"),
    }
}

/// The scan of the driver at a venue, by staff who see the card.
async fn scan(gateway: &Gateway, venue: u32, plate: Option<&str>) -> Answer {
    let document = json!({"type": "id_card", "number": ID_CARD});
    let mut body = json!({"venue": venue, "document": document, "scanned_at": ago(0)});
    if let Some(plate) = plate {
        body["plate"] = plate.into();
    }
    gateway.scan(&body).await
}

#[tokio::test]
async fn a_declared_trip_goes_to_kafka_with_driver_and_plate_sealed() {
    let gateway = kaifeng().await;
    let answer = as_citizen(&gateway, driver(), "/v1/trips", &trip()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let again = post(&gateway, "/v1/trips", &with("/answers/plate", "豫b·12345".into())).await;
    assert_eq!(again.text, answer.text, "sent again it is the same trip, however the plate is written");
    let body: Value = serde_json::from_str(&answer.text).expect("JSON");
    assert_eq!(body["follow"], format!("/v1/trips/{}", body["command"].as_str().expect("an identity")));

    let sent = events(&gateway).await;
    assert_eq!((sent.len(), sent[0].vehicle), (2, vehicle(PLATE)));
    let declared = declaration(&sent[0]);
    assert_eq!(json!(declared.trip), body["command"]);
    assert_eq!((declared.driver, declared.destination, declared.checkpoint), (driver(), DESTINATION, Some(CHECKPOINT)));
    assert_eq!((declared.district, declared.symptoms, declared.risk), (410_202, false, true));
    let leave = declared.expected_leave.expect("it was answered");
    assert_eq!(declared.due_at, leave + 3600, "what Kaifeng allows beyond it");
    let identity_keys = KeyRing::try_parse(IDENTITY_KEY).expect("valid");
    let place = Place { record: declared.trip, field: "trip" };
    let opened = sealing::open(&identity_keys, place, &declared.sealed).expect("opens");
    let opened: Value = serde_json::from_slice(&opened).expect("JSON");
    assert_eq!((&opened["plate"], &opened["origin"]), (&json!(PLATE), &json!("山东菏泽")));

    trips_are_read(&gateway).await;
    let path = format!("/v1/trips/{}/cancellation", declared.trip);
    let cancelled = as_citizen(&gateway, driver(), &path, &json!({"plate": PLATE})).await;
    assert_eq!(cancelled.status, 202, "{}", cancelled.text);
    let last = events(&gateway).await.pop().expect("an event");
    assert!(
        matches!(last.action, TripAction::Cancel { trip, by, .. } if trip == declared.trip && by == Some(driver()))
    );
    for (_, message) in gateway.messages("trips").await {
        for secret in ["张三丰", ID_CARD, "B12345", "13800000000", "菏泽", "兰考"] {
            assert!(!message.contains(secret), "{secret} in {message}");
        }
    }
    gateway.stop().await;
}

/// Waits until the table of trips is read, which it is beside the others.
async fn trips_are_read(gateway: &Gateway) {
    gateway
        .eventually("read", async |gateway: &Gateway| {
            let answer = scan(gateway, CHECKPOINT, Some(OTHER_PLATE)).await.ok();
            !answer["unavailable"].as_array().expect("a list").contains(&json!("trip"))
        })
        .await;
}

#[tokio::test]
async fn who_takes_back_what_is_not_there_is_told_so() {
    let gateway = kaifeng().await;
    trips_are_read(&gateway).await;
    let answer = as_citizen(&gateway, driver(), "/v1/trips", &trip()).await;
    let declared: Value = serde_json::from_str(&answer.text).expect("JSON");
    let trip = declared["command"].as_str().expect("an identity").to_owned();
    let other_trip = TripEvent::trip_id(410_202, vehicle(PLATE), driver(), uuid::Uuid::from_u128(7)).to_string();
    let unknown = (404, "unknown-trip".to_owned(), Some("id".to_owned()));
    for (trip, plate) in [(&other_trip, PLATE), (&trip, OTHER_PLATE)] {
        let path = format!("/v1/trips/{trip}/cancellation");
        assert_eq!(post(&gateway, &path, &json!({"plate": plate})).await.refusal(), unknown, "{plate}");
    }
    // Another driver is shown nothing of it, here as on the query API.
    let (other, path) = ("1123456789abcdee".parse().expect("valid"), format!("/v1/trips/{trip}/cancellation"));
    assert_eq!(as_citizen(&gateway, other, &path, &json!({"plate": PLATE})).await.refusal(), unknown);
    assert_eq!(events(&gateway).await.len(), 1, "nothing of it is kept");
    assert_eq!(as_citizen(&gateway, driver(), &path, &json!({"plate": PLATE})).await.status, 202);
    gateway.stop().await;

    let elsewhere = Gateway::start().await;
    let refused = post(&elsewhere, &path, &json!({"plate": PLATE})).await.refusal();
    assert_eq!(refused, (404, "no-freight".to_owned(), None));
    elsewhere.stop().await;
}

#[tokio::test]
async fn what_cannot_be_declared_is_refused_by_its_field() {
    let gateway = kaifeng().await;
    for (body, status, kind, field) in [
        (with("/answers/plate", "B12345".into()), 422, "invalid-field", Some("answers.plate")),
        (with("/answers/phone", Value::Null), 422, "missing-field", Some("answers.phone")),
        (with("/destination", RESTAURANT.into()), 422, "invalid-field", Some("destination")),
        (with("/destination", CHECKPOINT.into()), 422, "invalid-field", Some("destination")),
        (with("/destination", 999.into()), 404, "unknown-venue", Some("destination")),
        (with("/checkpoint", DESTINATION.into()), 422, "invalid-field", Some("checkpoint")),
        (with("/answers/expected_leave", ago(10).into()), 422, "invalid-field", Some("answers.expected_leave")),
        (
            with("/answers/expected_leave", ago(-31 * 86_400).into()),
            422,
            "invalid-field",
            Some("answers.expected_leave"),
        ),
    ] {
        let refused = post(&gateway, "/v1/trips", &body).await.refusal();
        assert_eq!(refused, (status, kind.to_owned(), field.map(str::to_owned)));
    }
    let other: PersonKey = "1123456789abcdee".parse().expect("valid");
    let others = as_citizen(&gateway, other, "/v1/trips", &trip()).await;
    assert_eq!(others.refusal(), (403, "out-of-scope".to_owned(), Some("answers".to_owned())));
    let cancel = json!({"plate": PLATE});
    let no_trip = post(&gateway, "/v1/trips/018f0000-0000-7000-8000-000000000001/cancellation", &cancel).await;
    assert_eq!(no_trip.refusal(), (422, "invalid-field".to_owned(), Some("id".to_owned())));
    assert!(events(&gateway).await.is_empty());
    gateway.stop().await;

    let elsewhere = Gateway::start().await;
    assert_eq!(post(&elsewhere, "/v1/trips", &trip()).await.refusal(), (404, "no-freight".to_owned(), None));
    elsewhere.stop().await;
}

#[tokio::test]
async fn staff_who_are_limited_to_their_checkpoint_declare_trips_by_it() {
    let gateway = kaifeng().await;
    let declare = async |venue: u32, body: &Value| {
        let scope = Scope { venues: Some(vec![venue]), ..Scope::default() };
        gateway.post_as((Role::Device, "booth"), scope, "/v1/trips", body).await
    };
    assert_eq!(declare(CHECKPOINT, &trip()).await.status, 202);
    assert_eq!(declare(DESTINATION, &trip()).await.refusal().2.as_deref(), Some("checkpoint"));
    assert_eq!(declare(CHECKPOINT, &with("/checkpoint", Value::Null)).await.refusal().2.as_deref(), Some("checkpoint"));
    gateway.stop().await;
}

#[tokio::test]
async fn a_scan_of_a_lorry_carries_its_plate_as_a_key_and_nothing_else_does() {
    let gateway = kaifeng().await;
    let missing = scan(&gateway, CHECKPOINT, None).await;
    assert_eq!(missing.refusal(), (422, "missing-field".to_owned(), Some("plate".to_owned())));
    let no_plate = scan(&gateway, CHECKPOINT, Some("B12345")).await;
    assert_eq!(no_plate.refusal(), (422, "invalid-field".to_owned(), Some("plate".to_owned())));
    let elsewhere = scan(&gateway, RESTAURANT, Some(PLATE)).await;
    assert_eq!(elsewhere.refusal(), (422, "invalid-field".to_owned(), Some("plate".to_owned())));
    assert_eq!(scan(&gateway, RESTAURANT, None).await.ok()["trip"], Value::Null);

    scan(&gateway, CHECKPOINT, Some("豫b·12345")).await.ok();
    let line = json!({"venue": DESTINATION, "person": driver(), "method": "manual", "offline_reason": "no_smartphone",
        "plate": PLATE});
    assert_eq!(gateway.batch("/v1/scans:batch", &[line]).await.ok()["accepted"], 1);
    let stored = gateway.stored_scans().await;
    let freight: Vec<Option<FreightScan>> = stored.iter().map(|scan| scan.freight).collect();
    let stop = |stop| Some(FreightScan { vehicle: vehicle(PLATE), stop });
    assert_eq!(freight, [None, stop(FreightStop::Checkpoint), stop(FreightStop::Destination)]);
    gateway.stop().await;
}

#[tokio::test]
async fn a_crew_is_told_how_far_its_trip_is() {
    let gateway = kaifeng().await;
    let told = async |venue: u32, plate: &str| {
        let answer = scan(&gateway, venue, Some(plate)).await.ok();
        assert!(!answer["unavailable"].as_array().expect("a list").contains(&json!("trip")), "{answer}");
        (answer["trip"]["outcome"].clone(), answer["trip"]["state"].clone(), answer["trip"]["vehicle"].clone())
    };
    trips_are_read(&gateway).await;
    assert_eq!(told(CHECKPOINT, PLATE).await, (json!("undeclared"), Value::Null, json!("admit")));
    // A trip counts from the second after that scan on.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert_eq!(as_citizen(&gateway, driver(), "/v1/trips", &trip()).await.status, 202);
    gateway
        .eventually("known", async |gateway: &Gateway| {
            scan(gateway, DESTINATION, Some(PLATE)).await.ok()["trip"]["outcome"] == "not_entered"
        })
        .await;
    // Of scans of the same second the checkpoint counts first: these two are in their order.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert_eq!(told(CHECKPOINT, PLATE).await.0, "entered");
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert_eq!(told(DESTINATION, PLATE).await, (json!("closed"), json!("closed"), json!("admit")));
    assert_eq!(told(CHECKPOINT, PLATE).await.0, "repeated");
    gateway.stop().await;
}
