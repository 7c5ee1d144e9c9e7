use serde_json::{Value, json};

use super::*;

/// Each message with each field left out, replaced, or nulled.
fn broken(message: &Value) -> Vec<Vec<u8>> {
    let mut all = vec![message.to_string().into_bytes(), b"{".to_vec(), b"[]".to_vec()];
    for field in message.as_object().expect("an object").keys() {
        let values = [
            json!(null),
            json!(7),
            json!(2),
            json!("x"),
            json!("a\n\"\u{1F600}"),
            json!({}),
            json!(4_000_000_000u64),
            json!(1_653_000_001),
        ];
        all.extend(values.into_iter().map(|value| {
            let mut message = message.clone();
            message[field] = value;
            message.to_string().into_bytes()
        }));
        let mut without = message.clone();
        without.as_object_mut().expect("an object").remove(field);
        all.push(without.to_string().into_bytes());
    }
    all
}

#[test]
fn what_tables_read_is_what_the_whole_message_says() {
    let health = json!({"v": 1, "person": "1123456789abcdef", "colour": "red", "since": 1_653_000_000,
        "expires_at": 1_653_000_002, "issuer": "CDC", "evidence": "E1", "reason": "contact", "sent_by": "cdc-1",
        "release": {"proposal": "00000000-0000-8000-8000-000000000001", "by": "cdc-2"},
        "newest": {"colour": "green", "since": 1_653_000_100}});
    for message in broken(&health) {
        let whole = HealthEvent::try_parse(&message).map_err(|error| error.to_string());
        let whole = whole.map(|event| {
            let Colouring { colour, since, expires_at } = event.counting();
            ColourChange { person: event.person, colour, since, expires_at }
        });
        assert_eq!(ColourChange::try_parse(&message).map_err(|error| error.to_string()), whole);
    }
    let test = json!({"v": 1, "person": "1123456789abcdef", "sampled_at": 1_653_000_000,
        "resulted_at": 1_653_000_002, "result": "negative", "laboratory": "L1", "sent_by": "lab-1",
        "newest": {"sampled_at": 1_653_000_100, "result": "positive"}});
    for message in broken(&test) {
        let whole = TestEvent::try_parse(&message).map_err(|error| error.to_string());
        let whole = whole.map(|event| {
            let Sampling { sampled_at, result } = event.counting();
            TestOutcome { person: event.person, sampled_at, result }
        });
        assert_eq!(TestOutcome::try_parse(&message).map_err(|error| error.to_string()), whole);
    }
}

#[test]
fn a_later_start_counts_then_the_graver_colour_then_the_later_end() {
    let colouring = |since, colour, expires_at| Colouring { colour, since, expires_at };
    let rising = [
        colouring(5, Colour::Red, None),
        colouring(6, Colour::Green, Some(9)),
        colouring(6, Colour::Green, None),
        colouring(6, Colour::Yellow, Some(7)),
        colouring(6, Colour::Red, Some(7)),
    ];
    assert!(rising.is_sorted_by(|a, b| a.rank() < b.rank()));
    let sampling = |sampled_at, result| Sampling { sampled_at, result };
    let rising =
        [sampling(5, TestResult::Positive), sampling(6, TestResult::Negative), sampling(6, TestResult::Positive)];
    assert!(rising.is_sorted_by(|a, b| a.rank() < b.rank()));
}

#[test]
fn impossible_times_are_refused_by_field() {
    let health = json!({"v": 1, "person": "1123456789abcdef", "colour": "red", "since": 1_653_000_000,
        "expires_at": 1_653_000_000, "issuer": "CDC", "evidence": "E1", "reason": "contact"});
    let error = HealthEvent::try_parse(health.to_string().as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "field `expires_at` is not after `since`");
    let test = json!({"v": 1, "person": "1123456789abcdef", "sampled_at": 1_653_000_000,
        "resulted_at": 1_652_000_000, "result": "negative", "laboratory": "L1"});
    let error = TestEvent::try_parse(test.to_string().as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "field `resulted_at` is before `sampled_at`");
}
