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
        latitude: Some(VENUE_AT.0),
        longitude: Some(VENUE_AT.1),
        valid_from: None,
        valid_until: None,
        revision: None,
    };
    DryRun::try_new("shanghai", &super::ring(&[1, 9]), &venue).unwrap_or_else(|error| panic!("{error}"))
});

/// Where venue 7 is, in degrees.
const VENUE_AT: (f64, f64) = (31.2304, 121.4737);
/// How far from it a phone may say that it is, in metres, and by how much rounding may err.
const FAR_M: (f64, f64) = (3_000.0, 10.0);

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
    let known =
        [known.as_slice(), &["exemption", "offline_reason", "last_four", "plate", "latitude", "longitude"]].concat();
    let unknown = object.as_object().and_then(|fields| fields.keys().find(|field| !known.contains(&field.as_str())));
    assert_eq!(unknown, None, "a field that nobody reads");
    far_means_far((object["latitude"].as_f64(), object["longitude"].as_f64()), event.far_from_venue);
    assert!(object["document"].is_null() || object["document"].is_object(), "a document is an object");
}

/// The flag is what the coordinates say, by the angle between two vectors.
fn far_means_far(phone: (Option<f64>, Option<f64>), is_far: bool) {
    let (Some(latitude), Some(longitude)) = phone else {
        assert_eq!((phone, is_far), ((None, None), false), "one coordinate is none");
        return;
    };
    assert!(latitude.abs() <= 90.0 && longitude.abs() <= 180.0, "{phone:?}");
    let vector = |(latitude, longitude): (f64, f64)| {
        let ((y, x), (b, a)) = (latitude.to_radians().sin_cos(), longitude.to_radians().sin_cos());
        [x * a, x * b, y]
    };
    let (one, other) = (vector((latitude, longitude)), vector(VENUE_AT));
    let apart = one.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    let metres = 2.0 * (apart / 2.0).min(1.0).asin() * 6_371_009.0;
    assert!((metres - FAR_M.0).abs() < FAR_M.1 || is_far == (metres > FAR_M.0), "{metres} m, far: {is_far}");
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
