//! What there is of a person before an erasure.

use rdkafka::producer::FutureRecord;
use schemas::{
    AlertEvent, Colour, IdentityEvent, PlateKey, ScanEvent, Tail, TestEvent, TestResult, TripEvent,
    city::FormKind,
    events::{AlertKind, Declaration, FreightScan, FreightStop, Raised, TripAction},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::{Fixture, PATIENCE, health_event, now_ms, person, scan_event};

/// A message as it was sent.
pub struct Sent {
    pub topic: String,
    pub key: String,
    pub value: Vec<u8>,
    pub at_ms: i64,
}

pub async fn send(fixture: &Fixture, sent: &Sent, at_ms: i64) {
    let record = FutureRecord::to(&sent.topic).key(&sent.key).payload(&sent.value).timestamp(at_ms);
    fixture.producer.send(record, PATIENCE).await.expect("acknowledged");
}

/// Everything that can be said of a person, some time ago: two scans, of which one raises an alert; colour and test; a
/// registration; a lorry's trip and an entry without one; and what the processor makes of these itself.
pub fn life(fixture: &Fixture, who: u64, ago_ms: i64) -> Vec<Sent> {
    let (topics, at_ms) = (&fixture.topics, now_ms() - ago_ms);
    let (at, key) = (at_ms / 1000, person(who).to_string());
    let message = |topic: &str, key: &str, event: Value| Sent {
        topic: topic.to_owned(),
        key: key.to_owned(),
        value: event.to_string().into_bytes(),
        at_ms,
    };
    let vehicle = PlateKey::from_u64(2 << 60 | who).expect("valid");
    let freight = Some(FreightScan { vehicle, stop: FreightStop::Checkpoint });
    let scan = |venue, freight| ScanEvent { freight, accepted_at_ms: at_ms, ..scan_event(who, venue, at) };
    let test = TestEvent {
        v: 1,
        person: person(who),
        sampled_at: at - 60,
        resulted_at: at - 30,
        result: TestResult::Positive,
        laboratory: "x".to_owned(),
        sent_by: None,
        newest: None,
    };
    let identity = IdentityEvent {
        v: 1,
        person: person(who),
        form: FormKind::Venue,
        document: schemas::DocumentType::Passport,
        registered_at: at,
        guardian: None,
        tail: Tail::from_u16(7).expect("14 bits"),
        sealed: "1.a.b".to_owned(),
    };
    let declaration = Declaration {
        trip: TripEvent::trip_id(310_102, vehicle, person(who), Uuid::from_u128(1)),
        driver: person(who),
        checkpoint: None,
        destination: 2,
        district: 310_102,
        expected_return: None,
        expected_arrival: None,
        expected_leave: None,
        due_at: at + 600,
        symptoms: false,
        risk: false,
        sealed: "1.secret".to_owned(),
    };
    let declared = TripEvent { v: 1, vehicle, at_ms, action: TripAction::Declare(Box::new(declaration)) };
    let scans = [scan(1, freight), scan(3, None)];
    let raised = Raised {
        alert: AlertEvent::derive_id(310_103, scans[1].event_id, AlertKind::Symptoms),
        kind: AlertKind::Symptoms,
        source: scans[1].event_id,
        venue: 3,
        person: person(who),
        vehicle: None,
        scanned_at: at,
        method: None,
        verdict: None,
        colour: None,
        reasons: schemas::Reasons::NONE,
    };
    vec![
        message(&topics.health, &key, json!(health_event(who, Colour::Red, at - 60))),
        message(&topics.tests, &key, json!(test)),
        message(&topics.identities, &identity.key(), json!(identity)),
        message(&topics.trips, &vehicle.to_string(), json!(declared)),
        message(&topics.scans, &key, json!(scans[0])),
        message(&topics.scans, &key, json!(scans[1])),
        message(&topics.alerts, "310103", json!(AlertEvent::raise(310_103, at_ms, raised))),
    ]
}

pub fn event_ids(life: &[Sent]) -> Vec<Uuid> {
    let scans = life.iter().filter_map(|sent| ScanEvent::try_parse(&sent.value).ok());
    scans.map(|scan| scan.event_id).collect()
}
