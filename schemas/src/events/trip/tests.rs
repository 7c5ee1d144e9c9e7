use serde_json::{Value, json};

use super::*;

fn declared() -> Value {
    let vehicle: PlateKey = "2123456789abcdef".parse().expect("valid");
    let driver = "1123456789abcdef".parse().expect("valid");
    let trip = TripEvent::trip_id(410_202, vehicle, driver, Uuid::from_u128(7));
    json!({"v": 1, "vehicle": vehicle, "at_ms": 1_653_000_000_123i64, "action": {"type": "declare", "trip": trip,
        "driver": "1123456789abcdef", "destination": 9, "district": 410_202, "due_at": 1_653_090_000,
        "sealed": "1.a.b"}})
}

#[test]
fn an_event_that_cannot_be_says_which_field_is_wrong() {
    let problem = |path: &[&str], value: Value| {
        let mut message = declared();
        *path.iter().fold(&mut message, |at, name| &mut at[*name]) = value;
        TripEvent::try_parse(message.to_string().as_bytes()).err().map(|error| error.to_string())
    };
    assert_eq!(problem(&["v"], 1.into()), None);
    assert_eq!(problem(&["at_ms"], 5.into()).map(|p| p.starts_with("field `at_ms`")), Some(true));
    assert_eq!(
        problem(&["action", "district"], 410_203.into()).as_deref(),
        Some("field `trip` is of another district")
    );
    assert!(problem(&["action", "district"], 41.into()).is_some_and(|p| p.starts_with("field `district`")));
    assert!(
        problem(&["action", "due_at"], 1_653_000_000_000i64.into()).is_some_and(|p| p.starts_with("field `due_at`"))
    );
    let late = problem(&["action", "due_at"], (1_653_000_000 + 31 * 86_400).into());
    assert_eq!(late.as_deref(), Some("field `due_at` is more than 30 days after the declaration"));
    let cancel = json!({"type": "cancel", "trip": Uuid::nil(), "command": Uuid::nil()});
    assert!(problem(&["action"], cancel).is_some_and(|p| p.starts_with("field `district`")));
    assert_eq!(problem(&["action", "type"], "vanish".into()).as_deref(), Some("not a message of this topic"));
}

#[test]
fn a_trip_belongs_to_its_lorry_and_driver_and_says_its_district() {
    let key = |text: &str| text.parse::<PersonKey>().expect("valid");
    let vehicle = |text: &str| text.parse::<PlateKey>().expect("valid");
    let id = |v, d, r| TripEvent::trip_id(410_202, vehicle(v), key(d), Uuid::from_u128(r));
    let (a, b) = ("1123456789abcdef", "1123456789abcdee");
    assert_eq!(id(a, a, 1), id(a, a, 1));
    let distinct: std::collections::HashSet<_> =
        [id(a, a, 1), id(b, a, 1), id(a, b, 1), id(a, a, 2)].into_iter().collect();
    assert_eq!(distinct.len(), 4);
    assert_eq!(TripEvent::district_of(id(a, a, 1)), Some(410_202));
}
