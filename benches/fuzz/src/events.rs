//! Messages on Kafka: what a service reads and writes again is the same message, and both readers of a message agree.
//!
//! The input is a message, read as one of each topic.

use schemas::{
    AlertEvent, ApplicationEvent, HealthEvent, IdentityEvent, ReminderEvent, ScanEvent, TestEvent, VenueEvent,
    events::{ColourChange, EventError, TestOutcome},
};

/// Holds the input against the rules.
pub fn check(input: &[u8]) {
    reads_back(input, ScanEvent::try_parse);
    reads_back(input, VenueEvent::try_parse);
    reads_back(input, ApplicationEvent::try_parse);
    reads_back(input, AlertEvent::try_parse);
    reads_back(input, ReminderEvent::try_parse);
    if let Some(event) = reads_back(input, IdentityEvent::try_parse) {
        assert_eq!(IdentityEvent::parse_key(event.key().as_bytes()), Some((event.person, event.form)));
    }
    let event = reads_back(input, HealthEvent::try_parse);
    let seen = ColourChange::try_parse(input).ok().map(|c| (c.person, c.colour, c.since, c.expires_at));
    assert_eq!(seen, event.map(|e| (e.person, e.colour, e.since, e.expires_at)), "two readers of a colour");
    let event = reads_back(input, TestEvent::try_parse);
    let seen = TestOutcome::try_parse(input).ok().map(|t| (t.person, t.sampled_at, t.result));
    assert_eq!(seen, event.map(|e| (e.person, e.sampled_at, e.result)), "two readers of a test");
}

fn reads_back<E>(input: &[u8], read: impl Fn(&[u8]) -> Result<E, EventError>) -> Option<E>
where
    E: PartialEq + std::fmt::Debug + serde::Serialize,
{
    let event = read(input).ok()?;
    let written = serde_json::to_vec(&event).unwrap_or_default();
    assert_eq!(read(&written).ok().as_ref(), Some(&event), "{}", String::from_utf8_lossy(&written));
    Some(event)
}
