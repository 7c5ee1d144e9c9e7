//! Scans as clients send them: taken as they are meant, or refused with the field that is wrong and nothing of its value.
//!
//! The input is the JSON of a scan at venue 7 in Shanghai, on 1 June 2022 at noon.

use std::sync::LazyLock;

use ingest::dry_run::DryRun;
use schemas::{ScanEvent, VenueEvent, events::VenueStatus};
use serde_json::Value;

/// When it is.
pub const NOW_MS: i64 = 1_654_056_000_000;

/// Where it is.
pub static GATEWAY: LazyLock<DryRun> = LazyLock::new(|| {
    let venue = VenueEvent {
        v: 1,
        venue: 7,
        serial: 0,
        status: VenueStatus::Active,
        name: "茶馆".to_owned(),
        category: "catering".to_owned(),
        district: 310_101,
        address: "福州路1号".to_owned(),
        door: None,
        organisation: None,
        latitude: None,
        longitude: None,
        valid_from: None,
        valid_until: None,
        revision: None,
    };
    DryRun::try_new("shanghai", &super::ring(&[1, 9]), &venue).unwrap_or_else(|error| panic!("{error}"))
});

/// What no message may show.
const MARK: &str = "SECRET5417";

/// Holds the input against the rules.
pub fn check(input: &[u8]) {
    let read = serde_json::from_slice::<Value>(input).ok();
    match GATEWAY.scan(input, NOW_MS) {
        Ok(event) => {
            let Some(object @ Value::Object(_)) = &read else { panic!("{event:?} is made of what is no object") };
            means(object, &event);
            let message = serde_json::to_vec(&event).unwrap_or_default();
            assert_eq!(ScanEvent::try_parse(&message).ok().as_ref(), Some(&event), "the message reads back");
            // Spaces and the order of the fields mean nothing.
            let written = serde_json::to_vec_pretty(object).unwrap_or_default();
            assert_eq!(GATEWAY.scan(&written, NOW_MS).ok().as_ref(), Some(&event));
        }
        Err(problem) => {
            assert!((400..500).contains(&problem.status), "{problem:?}");
            assert_eq!(problem.kind.ends_with("malformed-json"), problem.status == 400, "{problem:?}");
            if let Some(Value::Object(fields)) = &read {
                assert_ne!(problem.status, 400, "it is JSON: {problem:?}");
                assert!(problem.field.is_some() || fields.len() > 1000, "no field is named: {problem:?}");
            }
        }
    }
    if let Some(object @ Value::Object(_)) = read {
        shows_no_value(object);
    }
}

/// What a message says is what its sender wrote.
fn means(object: &Value, event: &ScanEvent) {
    let text = |field: &str| object[field].as_str();
    assert_eq!((event.venue, event.accepted_at_ms), (7, NOW_MS));
    if let Some(person) = text("person") {
        assert_eq!(event.person.to_string(), person);
    }
    assert_eq!(event.method.as_str(), text("method").unwrap_or("venue_code"));
    assert_eq!(event.direction.as_str(), text("direction").unwrap_or("entry"));
    match text("scanned_at").map(chrono::DateTime::parse_from_rfc3339) {
        None => assert_eq!(event.scanned_at, NOW_MS / 1000),
        Some(at) => assert_eq!(at.ok().map(|at| at.timestamp()), Some(event.scanned_at)),
    }
    let known = ["code", "venue", "person", "document", "method", "direction", "scanned_at", "event_id", "symptoms"];
    let known = [known.as_slice(), &["exemption", "offline_reason", "last_four", "plate"]].concat();
    let unknown = object.as_object().and_then(|fields| fields.keys().find(|field| !known.contains(&field.as_str())));
    assert_eq!(unknown, None, "a field that nobody reads");
    assert!(object["document"].is_null() || object["document"].is_object(), "a document is an object");
}

/// With a mark in the place of any of its texts, no answer shows the mark.
fn shows_no_value(mut object: Value) {
    // The name of an unknown field is shown, and the fuzzer finds the mark in here.
    if object.to_string().contains(MARK) {
        return;
    }
    let places: Vec<String> = object.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    for place in &places {
        let value = object[place].clone();
        let marked = match value.clone() {
            Value::Object(mut inner) => {
                inner.values_mut().for_each(|value| *value = MARK.into());
                Value::Object(inner)
            }
            Value::Array(_) => vec![MARK].into(),
            _ => MARK.into(),
        };
        object[place] = marked;
        if let Err(problem) = GATEWAY.scan(&serde_json::to_vec(&object).unwrap_or_default(), NOW_MS) {
            let shown = serde_json::to_string(&problem).unwrap_or_default();
            assert!(!shown.contains(MARK), "the value of {place} is in {shown}");
        }
        object[place] = value;
    }
}
