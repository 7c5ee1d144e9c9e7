//! What travels on Kafka: JSON messages, each with a version and a published JSON Schema.
//!
//! Within a version fields are only ever added, and readers ignore fields they do not know, so an older and a
//! newer service can run side by side.

mod dead_letter;
mod health;
mod scan;
mod venue;

pub use dead_letter::{DeadLetter, DeadLetterRecord, DeadLetterReplay, REPLAY_HEADER};
pub use health::{HealthEvent, TestEvent};
pub use scan::ScanEvent;
pub use venue::{VenueEvent, VenueStatus, is_district};

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
    Version(u8),
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
        (crate::topics::DEAD_LETTERS, schemars::schema_for!(DeadLetterRecord)),
    ]
}

fn check_version(version: u8) -> Result<(), EventError> {
    if (1..=VERSION).contains(&version) { Ok(()) } else { Err(EventError::Version(version)) }
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
