//! A lorry's day reads the same to others when one who drove it was erased.

use schemas::TripEvent;
use schemas::freight::{ScanOutcome, TripState, Vehicle};

use super::*;

const LORRY: &str = "1aaaaaaaaaaaaaaa";
const DISTRICT: u32 = 410_202;
const DESTINATION: u32 = 8;
/// A day and more.
const KEPT_S: i64 = 100_000;

fn at(minute: i64, action: Value) -> Value {
    json!({"v": 1, "at_ms": (BEFORE_S + minute * 60) * 1000, "vehicle": LORRY, "action": action})
}

fn trip_of(driver: &str, number: u128) -> Uuid {
    let (vehicle, driver) = (LORRY.parse().expect("a key"), driver.parse().expect("a key"));
    TripEvent::trip_id(DISTRICT, vehicle, driver, Uuid::from_u128(number))
}

fn declared(minute: i64, driver: &str, number: u128) -> Value {
    let action = json!({"type": "declare", "trip": trip_of(driver, number), "driver": driver, "destination": DESTINATION,
        "district": DISTRICT, "due_at": BEFORE_S + 3600, "symptoms": true, "risk": true, "sealed": "1.a.b"});
    at(minute, action)
}

fn scanned(minute: i64, person: &str, venue: u32) -> Value {
    let kind = if venue == DESTINATION { "destination_scanned" } else { "checkpoint_scanned" };
    let scan = Uuid::from_u128(minute.unsigned_abs().into());
    let action = json!({"type": kind, "at": BEFORE_S + minute * 60, "scan": scan, "person": person, "venue": venue,
        "district": DISTRICT, "method": "venue_code", "verdict": "admit", "colour": "green"});
    at(minute, action)
}

fn cancelled(minute: i64, driver: &str, number: u128) -> Value {
    let (trip, command) = (trip_of(driver, number), Uuid::from_u128(number));
    at(minute, json!({"type": "cancel", "trip": trip, "command": command, "by": driver}))
}

/// What is left of messages after an erasure of [`GONE`], looked through as often as `times` says.
fn left_of(messages: &[Value], times: usize) -> Vec<Value> {
    let mut left = messages.to_vec();
    for _ in 0..times {
        let mut forgetting = forgetting(&["done"]);
        for message in &mut left {
            let value = message.to_string();
            let stored = Stored { came_at_ms: 0, key: Some(LORRY.as_bytes()), value: Some(value.as_bytes()) };
            match forgetting.fate("trips", stored) {
                Fate::Kept => {}
                Fate::Emptied => *message = Value::Null,
                Fate::Rewritten(value) => *message = serde_json::from_slice(&value).expect("JSON"),
            }
        }
    }
    left
}

/// How far each trip is, what each scan was, and which commands were refused.
type Day = (Vec<(Uuid, TripState, bool)>, Vec<(Uuid, ScanOutcome, Option<Uuid>)>, Vec<Uuid>);

fn day(messages: &[Value]) -> Day {
    let mut vehicle = Vehicle::default();
    for message in messages {
        let event = TripEvent::try_parse(message.to_string().as_bytes()).expect("an event");
        vehicle.note(&event, KEPT_S);
    }
    let trips = vehicle.trips();
    (
        trips.trips.iter().map(|(id, trip)| (*id, trip.state, trip.overdue)).collect(),
        trips.scans.iter().map(|(id, scan)| (*id, scan.outcome, scan.trip)).collect(),
        trips.refused_cancels.keys().copied().collect(),
    )
}

#[test]
fn a_lorrys_day_stays_as_it_was_without_who_drove_it() {
    // Another driver's declaration was refused, since the first trip was open, which the crew's second one closes.
    let messages = [
        declared(-60, GONE, 1),
        scanned(-50, GONE, 1),
        declared(-40, OTHER, 2),
        scanned(-30, OTHER, 1),
        scanned(5, OTHER, DESTINATION),
        scanned(6, OTHER, DESTINATION),
    ];
    let before = day(&messages);
    let states: Vec<_> = before.0.iter().map(|(_, state, _)| *state).collect();
    assert!(states.contains(&TripState::Closed) && states.contains(&TripState::Refused), "{states:?}");
    let left = left_of(&messages, 1);
    assert_eq!(day(&left), before);
    let text = serde_json::to_string(&left).expect("JSON");
    for gone in [GONE, "1.a.b\",\"symptoms"] {
        assert!(!text.contains(gone), "{text}");
    }
    assert_eq!((&left[0]["action"]["sealed"], &left[0]["action"]["risk"]), (&json!(""), &Value::Null));
    assert_eq!(left[2], messages[2], "what others declared stays");
    assert_eq!(left_of(&messages, 3), left, "looked through again it stays as it is");
}

#[test]
fn a_trip_that_was_taken_back_stays_so_whenever_that_was() {
    for minute in [-20, 20] {
        let messages = [declared(-60, GONE, 1), cancelled(minute, GONE, 1), declared(30, OTHER, 2)];
        let before = day(&messages);
        assert!(before.2.is_empty(), "it counts");
        for times in [1, 2] {
            let left = left_of(&messages, times);
            assert_eq!(day(&left), before, "{minute}");
            assert!(!serde_json::to_string(&left).expect("JSON").contains(GONE));
        }
    }
    // It came after the first look.
    let messages = [declared(-60, GONE, 1)];
    let mut later = left_of(&messages, 1);
    later.push(cancelled(20, GONE, 1));
    assert!(day(&left_of(&later, 1)).2.is_empty());
}
