//! What becomes of messages of every kind, about people who were erased and others.

mod trips;

use schemas::PersonDigest;
use serde_json::json;

use super::*;

/// Was erased, up to [`BEFORE_S`].
const GONE: &str = "1123456789abcdef";
const OTHER: &str = "1fedcba987654321";
const ERASURE: &str = "00310101-0000-8000-8000-000000000001";
const BEFORE_S: i64 = 1_653_000_000;

/// A record about an erasure of [`GONE`].
fn record(number: u32, kind: &str) -> String {
    let person: PersonKey = GONE.parse().expect("a key");
    let grounds = json!({"digest": PersonDigest::of(person), "before_ms": BEFORE_S * 1000, "basis": "ordered", "evidence": "E",
        "asked_by": "li", "asked_at_ms": 1, "expires_at_ms": 1, "confirmed_by": "wu"});
    let action = match kind {
        "ask" => json!({"type": kind, "by": "li", "person": person, "basis": "ordered", "evidence": "E",
            "expires_at_ms": BEFORE_S * 1000}),
        "confirm" => json!({"type": kind, "command": ERASURE, "by": "wu"}),
        "confirm one's own" => json!({"type": "confirm", "command": ERASURE, "by": "li"}),
        "decline" => json!({"type": kind, "command": ERASURE, "by": "wu", "reason": "still_needed"}),
        "erase" => json!({"type": kind, "person": person, "grounds": grounds}),
        "done" => json!({"type": kind, "grounds": grounds, "removed": [], "remains": []}),
        kind => json!({"type": kind}),
    };
    let erasure = format!("00310101-0000-8000-8000-{number:012}");
    json!({"v": 1, "erasure": erasure, "at_ms": BEFORE_S * 1000 + 9, "action": action}).to_string()
}

fn forgetting(kinds: &[&str]) -> Forgetting {
    let mut forgetting = Forgetting::default();
    for kind in kinds {
        forgetting.note(record(1, kind).as_bytes());
    }
    forgetting
}

/// The fate of a message that came long after the erasure, unless it says itself of when it is.
fn fate(topic: &str, key: &str, value: &Value) -> Fate {
    fate_at(topic, key, value, i64::MAX)
}

fn fate_at(topic: &str, key: &str, value: &Value, came_at_ms: i64) -> Fate {
    let value = value.to_string();
    let message = Stored { came_at_ms, key: Some(key.as_bytes()), value: Some(value.as_bytes()) };
    forgetting(&["done"]).fate(topic, message)
}

fn rewritten(fate: Fate) -> Value {
    let Fate::Rewritten(value) = fate else { panic!("{fate:?}") };
    serde_json::from_slice(&value).expect("JSON")
}

#[test]
fn only_what_was_carried_out_takes_anybody_out_of_the_log() {
    let scan = json!({"person": GONE, "accepted_at_ms": 1}).to_string();
    let scan = Stored { came_at_ms: 1, key: Some(GONE.as_bytes()), value: Some(scan.as_bytes()) };
    for kinds in [&["ask", "confirm", "erase"][..], &["ask", "decline"], &["ask", "lapse"]] {
        assert_eq!(forgetting(kinds).fate("scans", scan), Fate::Kept, "{kinds:?}");
    }
    assert_eq!(forgetting(&["ask", "confirm", "erase", "done"]).fate("scans", scan), Fate::Emptied);
}

#[test]
fn what_is_of_before_goes_and_what_is_of_others_or_of_later_stays() {
    let scan = |person: &str, scanned_at: i64, accepted_at: i64| json!({"person": person, "scanned_at": scanned_at, "accepted_at_ms": accepted_at * 1000});
    let (before, after) = (BEFORE_S - 1, BEFORE_S + 1);
    assert_eq!(fate("scans", GONE, &scan(GONE, before, before)), Fate::Emptied);
    assert_eq!(fate("scans", GONE, &scan(GONE, before, after)), Fate::Emptied, "it came late");
    assert_eq!(fate("scans", GONE, &scan(GONE, after, after)), Fate::Kept);
    assert_eq!(fate("scans", OTHER, &scan(OTHER, before, before)), Fate::Kept);
    let tested = json!({"person": GONE, "result": "negative"});
    assert_eq!(fate_at("tests", GONE, &tested, before * 1000), Fate::Emptied);
    assert_eq!(fate_at("tests", GONE, &tested, after * 1000), Fate::Kept);
    // Forgotten already: the key alone says that they were there.
    let forgotten = Stored { came_at_ms: 0, key: Some(GONE.as_bytes()), value: None };
    assert_eq!(forgetting(&["done"]).fate("health", forgotten), Fate::Emptied);
    let emptied = Stored { came_at_ms: 0, key: None, value: None };
    assert_eq!(forgetting(&["done"]).fate("health", emptied), Fate::Kept, "nothing is done twice");
}

#[test]
fn a_key_is_known_wherever_it_stands_and_in_whatever_cannot_be_read() {
    for value in [format!("{{broken {GONE}"), format!("\"{}\"", GONE.to_uppercase()), format!("x={GONE}&y=1")] {
        let message = Stored { came_at_ms: 0, key: None, value: Some(value.as_bytes()) };
        for topic in ["scans", "trips", "identities", "health-proposals", "alerts"] {
            assert_eq!(forgetting(&["done"]).fate(topic, message), Fate::Emptied, "{topic}: {value}");
        }
    }
    for value in [format!("{GONE}0"), format!("a{GONE}"), GONE[..15].to_owned()] {
        let message = Stored { came_at_ms: 0, key: None, value: Some(value.as_bytes()) };
        assert_eq!(forgetting(&["done"]).fate("scans", message), Fate::Kept, "{value}");
    }
}

#[test]
fn a_letter_goes_with_the_message_that_it_holds() {
    let letter = |person: &str| {
        json!({"v": 1, "topic": "scans", "partition": 0, "offset": 7, "reason": "not a message of this topic",
            "found_at": BEFORE_S - 5, "key_hex": hex::encode(person), "value_hex": hex::encode("{broken")})
    };
    assert_eq!(fate("dead-letters", "scans", &letter(GONE)), Fate::Emptied);
    assert_eq!(fate("dead-letters", "scans", &letter(OTHER)), Fate::Kept);
    let mut late = letter(GONE);
    late["found_at"] = json!(BEFORE_S + 5);
    assert_eq!(fate("dead-letters", "scans", &late), Fate::Kept);
    late["value_hex"] = json!(hex::encode(json!({"person": GONE, "accepted_at_ms": BEFORE_S * 1000 - 1}).to_string()));
    assert_eq!(fate("dead-letters", "scans", &late), Fate::Emptied, "it was found later than it was accepted");
}

#[test]
fn an_alert_goes_with_what_the_office_noted_about_it() {
    let note = |action: Value| json!({"at_ms": BEFORE_S * 1000 - 5, "action": action}).to_string();
    let mut forgetting = forgetting(&["done"]);
    let mut fate = |value: String| {
        forgetting.fate("alerts", Stored { came_at_ms: 0, key: Some(b"310101"), value: Some(value.as_bytes()) })
    };
    let raised = |alert: &str, person: &str| note(json!({"type": "raised", "alert": alert, "person": person}));
    let noted = |alert: &str| note(json!({"type": "dispose", "alert": alert, "sealed_note": "1.a.b"}));
    assert_eq!(fate(raised("A", GONE)), Fate::Emptied);
    assert_eq!(fate(raised("B", OTHER)), Fate::Kept);
    assert_eq!(fate(noted("A")), Fate::Emptied);
    assert_eq!(fate(format!("{{broken {GONE}")), Fate::Emptied);
    assert_eq!(fate(noted("B")), Fate::Kept);
    assert_eq!(fate(note(json!({"type": "escalate", "raised_before_ms": 1}))), Fate::Kept);
}

#[test]
fn what_is_about_others_as_well_stays_without_who_was_erased() {
    let child = json!({"person": OTHER, "guardian": GONE, "sealed": "1.a.b", "registered_at": BEFORE_S - 5});
    let mut alone = child.clone();
    alone.as_object_mut().expect("an object").remove("guardian");
    assert_eq!(rewritten(fate("identities", &format!("{OTHER}/venue"), &child)), alone);
    let own = json!({"person": GONE, "sealed": "1.a.b", "registered_at": BEFORE_S - 5});
    assert_eq!(fate("identities", &format!("{GONE}/venue"), &own), Fate::Emptied);

    let part = |people: &[&str]| {
        let changes: Vec<_> = people.iter().map(|person| json!({"person": person, "colour": "red"})).collect();
        json!({"at_ms": BEFORE_S * 1000 - 5, "action": {"type": "part", "part": 0, "changes": changes}})
    };
    assert_eq!(rewritten(fate("health-proposals", "P", &part(&[OTHER, GONE]))), part(&[OTHER]));
    assert_eq!(fate("health-proposals", "P", &part(&[OTHER])), Fate::Kept);
}

#[test]
fn an_erasure_that_has_ended_keeps_all_but_the_records_that_name_the_person() {
    for (kinds, emptied) in [
        (&["ask", "confirm", "erase", "done"][..], &["ask", "erase"][..]),
        (&["ask", "decline"], &["ask"]),
        (&["ask", "lapse"], &["ask"]),
        (&["ask"], &[]),
        (&["ask", "confirm", "erase"], &[]),
        (&["ask", "confirm", "decline", "erase"], &[]),
        (&["ask", "confirm one's own", "decline"], &["ask"]),
        (&["ask", "decline", "confirm"], &["ask"]),
    ] {
        let mut forgetting = forgetting(kinds);
        assert_eq!(forgetting.is_empty(), emptied.is_empty(), "{kinds:?}");
        for kind in kinds {
            let value = record(1, kind);
            let fate = forgetting.fate("erasures", Stored { came_at_ms: 0, key: None, value: Some(value.as_bytes()) });
            assert_eq!(fate == Fate::Emptied, emptied.contains(kind), "{kind} of {kinds:?}");
        }
        let another = record(2, "ask");
        let another = Stored { came_at_ms: 0, key: None, value: Some(another.as_bytes()) };
        assert_eq!(forgetting.fate("erasures", another), Fate::Kept, "another one still waits");
    }
}

#[test]
fn records_of_processing_stay() {
    let value = json!({"at_ms": 1, "action": {"type": "ask", "persons": [GONE]}});
    for topic in ["releases", "applications"] {
        assert_eq!(fate(topic, "x", &value), Fate::Kept, "{topic}");
    }
}

#[test]
fn every_topic_that_holds_people_is_looked_at_or_known_to_be_kept() {
    let kept: Vec<_> = schemas::stores::TOPICS
        .iter()
        .filter(|topic| {
            let named = json!({"at_ms": 1, "driver": GONE, "person": GONE, "action": {"driver": GONE, "person": GONE}});
            let named = if topic.name == "dead-letters" {
                json!({"v": 1, "topic": "scans", "partition": 0, "offset": 7, "reason": "", "found_at": 1,
                    "key_hex": hex::encode(GONE), "value_hex": ""})
            } else {
                named
            };
            let of_erasure = record(1, "erase");
            let named = if topic.name == "erasures" { of_erasure } else { named.to_string() };
            let message = Stored { came_at_ms: 0, key: Some(GONE.as_bytes()), value: Some(named.as_bytes()) };
            forgetting(&["done"]).fate(topic.name, message) == Fate::Kept
        })
        .map(|topic| topic.name)
        .collect();
    assert_eq!(kept, ["venues", "applications", "releases", "audit-anchors", "scan-ranges"]);
}
