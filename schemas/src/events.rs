//! What travels on Kafka: JSON messages, each with a version and a published JSON Schema.
//!
//! Within a version fields are only ever added, and readers ignore fields they do not know, so an older and a
//! newer service can run side by side.

#[macro_use]
mod words;

mod alert;
mod anchor;
mod application;
mod dead_letter;
mod district_id;
mod erasure;
mod health;
mod identity;
mod proposal;
mod release;
mod reminder;
mod scan;
mod trip;
mod venue;

pub use alert::{AlertAction, AlertEvent, AlertKind, AlertRefusal, AlertState, Disposition, Raised};
pub use anchor::AuditAnchor;
pub use application::{ApplicationAction, ApplicationEvent, ApplicationState, Refusal, Rejection, Submission};
pub use dead_letter::{DeadLetter, DeadLetterRecord, DeadLetterReplay, REPLAY_HEADER};
pub use erasure::{
    ERASURE_WAIT_HOURS, ErasureAction, ErasureAsk, ErasureBasis, ErasureDeclineReason, ErasureEvent, ErasureRefusal,
    ErasureState, Grounds, Remains, Removed,
};
pub use health::{ColourChange, Colouring, HealthEvent, Release, Sampling, TestEvent, TestOutcome};
pub use identity::IdentityEvent;
pub use proposal::{ProposalAction, ProposalEvent, ProposalRefusal, ProposalState};
pub use release::{
    Asking, CaseKind, DEFAULT_WINDOW_MINUTES, DeclineReason, MAX_HOPS, MAX_SUBJECTS, MAX_WINDOW_MINUTES, Purpose,
    ReleaseAction, ReleaseEvent, ReleaseRefusal, ReleaseState,
};
pub use reminder::{
    ReminderAction, ReminderEvent, ReminderMatter, ReminderOutcome, ReminderRefusal, ReminderReply, ReminderState,
    Sending,
};
pub use scan::{FreightScan, FreightStop, ScanEvent};
pub use trip::{Declaration, Scanned, TripAction, TripEvent};
pub use venue::{VenueEvent, VenueStatus, is_district};

use serde::Deserialize;

/// The version that this build writes into the field `v` of each message.
pub const VERSION: u8 = 1;

/// Why a message cannot be used. It goes to `dead-letters` with this text.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// Not JSON, or not of the message's shape.
    #[error("not a message of this topic")]
    Json(#[from] serde_json::Error),
    /// A version this build does not read.
    #[error("message version {0} is not known here; versions 1 to {VERSION} are")]
    Version(u64),
    /// A field holds a value that cannot be.
    #[error("field `{field}` {problem}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// The published JSON Schemas: topic name and schema, generated from the types.
pub fn json_schemas() -> Vec<(&'static str, schemars::Schema)> {
    vec![
        (crate::topics::SCANS, schemars::schema_for!(ScanEvent)),
        (crate::topics::VENUES, schemars::schema_for!(VenueEvent)),
        (crate::topics::HEALTH, schemars::schema_for!(HealthEvent)),
        (crate::topics::TESTS, schemars::schema_for!(TestEvent)),
        (crate::topics::HEALTH_PROPOSALS, schemars::schema_for!(ProposalEvent)),
        (crate::topics::APPLICATIONS, schemars::schema_for!(ApplicationEvent)),
        (crate::topics::ALERTS, schemars::schema_for!(AlertEvent)),
        (crate::topics::TRIPS, schemars::schema_for!(TripEvent)),
        (crate::topics::RELEASES, schemars::schema_for!(ReleaseEvent)),
        (crate::topics::REMINDERS, schemars::schema_for!(ReminderEvent)),
        (crate::topics::ERASURES, schemars::schema_for!(ErasureEvent)),
        (crate::topics::AUDIT_ANCHORS, schemars::schema_for!(AuditAnchor)),
        (crate::topics::IDENTITIES, schemars::schema_for!(IdentityEvent)),
        (crate::topics::DEAD_LETTERS, schemars::schema_for!(DeadLetterRecord)),
    ]
}

/// What every message has.
trait Versioned {
    fn v(&self) -> u8;
}

/// Reads a message whose version this build knows.
///
/// Of a message that does not read, the version is looked at before the shape is blamed: a newer version may have
/// changed any other field, and whoever finds it among the dead letters should learn that this build is too old.
fn read<'m, T: Deserialize<'m> + Versioned>(message: &'m [u8]) -> Result<T, EventError> {
    #[derive(Deserialize)]
    struct VersionAlone {
        v: u64,
    }

    let known = |version: u64| (1..=u64::from(VERSION)).contains(&version);
    match serde_json::from_slice::<T>(message) {
        Ok(event) if known(event.v().into()) => Ok(event),
        Ok(event) => Err(EventError::Version(event.v().into())),
        Err(error) => match serde_json::from_slice::<VersionAlone>(message) {
            Ok(VersionAlone { v }) if !known(v) => Err(EventError::Version(v)),
            _ => Err(error.into()),
        },
    }
}

/// Scans, venues, health and tests may lie between 2000 and 2100; anything else is a unit mixed up.
fn check_time(field: &'static str, at: crate::UnixSeconds) -> Result<(), EventError> {
    const RANGE: std::ops::Range<i64> = 946_684_800..4_102_444_800;
    if RANGE.contains(&at) {
        Ok(())
    } else {
        Err(EventError::Field { field, problem: "is not a time in seconds between the years 2000 and 2100" })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A message of each topic as version 1 was first written, with no field that came later or may be left out.
    fn oldest() -> [(&'static str, Value); 13] {
        [
            (
                "scans",
                json!({"v": 1, "event_id": "00000000-0000-8000-8000-000000000001", "person": "1123456789abcdef",
                    "venue": 7, "method": "venue_code", "direction": "entry", "scanned_at": 1_653_000_000,
                    "accepted_at_ms": 1_653_000_000_123i64, "verdict": "admit", "colour": "green"}),
            ),
            (
                "venues",
                json!({"v": 1, "venue": 7, "serial": 0, "status": "active", "name": "茶馆", "category": "catering",
                    "district": 310_101, "address": "福州路1号"}),
            ),
            (
                "health",
                json!({"v": 1, "person": "1123456789abcdef", "colour": "red", "since": 1_653_000_000,
                    "issuer": "CDC", "evidence": "E1", "reason": "contact"}),
            ),
            (
                "tests",
                json!({"v": 1, "person": "1123456789abcdef", "sampled_at": 1_653_000_000,
                    "resulted_at": 1_653_000_001, "result": "negative", "laboratory": "L1"}),
            ),
            (
                "applications",
                json!({"v": 1, "command": "00000000-0000-8000-8000-000000000001",
                    "organisation": "91310000MA1FL0000N", "at_ms": 1_653_000_000_123i64,
                    "action": {"type": "withdraw", "application": "00000000-0000-8000-8000-000000000002"}}),
            ),
            (
                "health-proposals",
                json!({"v": 1, "proposal": "00000000-0000-8000-8000-000000000001", "at_ms": 1_653_000_000_123i64,
                    "action": {"type": "propose", "parts": 1, "digest": "00", "expires_at_ms": 1_653_000_000_124i64,
                        "by": "cdc-1"}}),
            ),
            (
                "alerts",
                json!({"v": 1, "district": 310_101, "at_ms": 1_653_000_000_123i64,
                    "action": {"type": "raised", "alert": "00310101-0000-8000-8000-000000000001",
                        "kind": "abnormal_colour", "source": "00000000-0000-8000-8000-000000000001", "venue": 7,
                        "person": "1123456789abcdef", "scanned_at": 1_653_000_000, "method": "venue_code",
                        "verdict": "refuse", "colour": "red"}}),
            ),
            (
                "trips",
                json!({"v": 1, "vehicle": "1123456789abcdef", "at_ms": 1_653_000_000_123i64,
                    "action": {"type": "overdue", "trip": "00410202-0000-8000-8000-000000000001"}}),
            ),
            (
                "releases",
                json!({"v": 1, "release": "00310101-0000-8000-8000-000000000001", "at_ms": 1_653_000_000_123i64,
                    "action": {"type": "ask", "by": "li", "case": "C-1", "case_kind": "confirmed", "evidence": "E-1",
                        "purpose": "contact_tracing", "persons": ["1123456789abcdef"], "from": 1_653_000_000,
                        "to": 1_653_000_001, "hops": 1, "expires_at_ms": 1_653_000_000_124i64}}),
            ),
            (
                "reminders",
                json!({"v": 1, "district": 310_101, "at_ms": 1_653_000_000_123i64,
                    "action": {"type": "send", "reminder": "00310101-0000-8000-8000-000000000001", "by": "li",
                        "organisation": "91310000MA1FL0000N", "matter": "no_code", "due_at": 1_653_100_000}}),
            ),
            (
                "erasures",
                json!({"v": 1, "erasure": "00310101-0000-8000-8000-000000000001", "at_ms": 1_653_000_000_123i64,
                    "action": {"type": "ask", "by": "li", "person": "1123456789abcdef", "basis": "ordered",
                        "evidence": "E-1", "expires_at_ms": 1_653_000_000_124i64}}),
            ),
            (
                "audit-anchors",
                json!({"v": 1, "chain": "00000000-0000-7000-8000-000000000001", "sequence": 7, "hash": "00ff",
                    "at_ms": 1_653_000_000_123i64}),
            ),
            (
                "identities",
                json!({"v": 1, "person": "1123456789abcdef", "form": "venue", "document": "id_card",
                    "registered_at": 1_653_000_000, "tail": 16_383, "sealed": "1.a.b"}),
            ),
        ]
    }

    fn parse(topic: &str, message: &Value) -> Result<Value, String> {
        let bytes = message.to_string().into_bytes();
        let read = match topic {
            "scans" => ScanEvent::try_parse(&bytes).map(|event| json!(event)),
            "venues" => VenueEvent::try_parse(&bytes).map(|event| json!(event)),
            "health" => HealthEvent::try_parse(&bytes).map(|event| json!(event)),
            "identities" => IdentityEvent::try_parse(&bytes).map(|event| json!(event)),
            "applications" => ApplicationEvent::try_parse(&bytes).map(|event| json!(event)),
            "alerts" => AlertEvent::try_parse(&bytes).map(|event| json!(event)),
            "trips" => TripEvent::try_parse(&bytes).map(|event| json!(event)),
            "releases" => ReleaseEvent::try_parse(&bytes).map(|event| json!(event)),
            "reminders" => ReminderEvent::try_parse(&bytes).map(|event| json!(event)),
            "erasures" => ErasureEvent::try_parse(&bytes).map(|event| json!(event)),
            "audit-anchors" => AuditAnchor::try_parse(&bytes).map(|event| json!(event)),
            "health-proposals" => ProposalEvent::try_parse(&bytes).map(|event| json!(event)),
            _ => TestEvent::try_parse(&bytes).map(|event| json!(event)),
        };
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn the_oldest_messages_are_read_and_fields_that_are_not_known_make_no_difference() {
        for (topic, mut message) in oldest() {
            let read = parse(topic, &message).unwrap_or_else(|error| panic!("{topic}: {error}"));
            message["of_a_newer_build"] = json!({"a": [1]});
            assert_eq!(parse(topic, &message), Ok(read), "{topic}");
        }
    }

    #[test]
    fn a_newer_version_is_refused_as_one_whatever_became_of_its_fields() {
        for (topic, mut message) in oldest() {
            for version in [0, 2, 255, 256, 70_000] {
                let refused = format!("message version {version} is not known here; versions 1 to {VERSION} are");
                message["v"] = version.into();
                assert_eq!(parse(topic, &message), Err(refused.clone()), "{topic}");
                assert_eq!(parse(topic, &json!({"v": version, "renamed": true})), Err(refused), "{topic}");
            }
            let refused = Err("not a message of this topic".to_owned());
            assert_eq!(parse(topic, &json!({"v": 1})), refused, "{topic}");
            assert_eq!(parse(topic, &json!({"v": "1"})), refused, "{topic}");
        }
    }
}
