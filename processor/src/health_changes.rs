//! Changes of health codes as rows: who can be told later by whom and why a colour was set.
//!
//! A [`Machine`] over the topic `health` that remembers nothing: a change is a row, whatever came before it. The row says
//! what the change says and no offset, so that a change that is read again, sent again by its feed, or written again beside
//! the one that counts (`outdated.rs`) is the same row. What no change can be read from is complained of by the worker of
//! the partition's scans, which reads the same messages.

use std::sync::Arc;

use schemas::{Colour, Erased, HealthEvent, UnixSeconds};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    machine::{Machine, Outputs, Record, Row, runner},
    workers::Job,
};

/// The table.
const TABLE: &str = "health_changes";

/// Makes rows of the changes of one partition.
#[derive(Default)]
pub struct HealthChanges {
    erased: Arc<Erased>,
}

#[derive(Serialize)]
struct ChangeRow<'e> {
    person_id: u64,
    since: UnixSeconds,
    colour: Colour,
    expires_at: UnixSeconds,
    issuer: &'e str,
    evidence: &'e str,
    reason: &'e str,
    sent_by: &'e str,
    released_by: &'e str,
    proposal_id: Uuid,
}

impl<'e> From<&'e HealthEvent> for ChangeRow<'e> {
    fn from(event: &'e HealthEvent) -> Self {
        let release = event.release.as_ref();
        Self {
            person_id: event.person.to_u64(),
            since: event.since,
            colour: event.colour,
            expires_at: event.expires_at.unwrap_or_default(),
            issuer: &event.issuer,
            evidence: &event.evidence,
            reason: &event.reason,
            sent_by: event.sent_by.as_deref().unwrap_or_default(),
            released_by: release.map_or("", |release| &release.by),
            proposal_id: release.map_or(Uuid::nil(), |release| release.proposal),
        }
    }
}

impl Machine for HealthChanges {
    const LOG_EXPIRES: bool = true;
    const REMEMBERS: bool = false;
    const OF_PEOPLE: bool = true;

    fn leave_out(&mut self, erased: &Arc<Erased>) {
        self.erased = Arc::clone(erased);
    }

    fn apply(&mut self, record: &Record<'_>) -> Result<Outputs, String> {
        let Ok(event) = HealthEvent::try_parse(record.value) else { return Ok(Outputs::default()) };
        if self.erased.has(event.person, record.sent_at_ms) {
            return Ok(Outputs::default());
        }
        Ok(Outputs { messages: Vec::new(), rows: vec![Row::new(TABLE, &ChangeRow::from(&event))] })
    }
}

/// What runs a partition of changes.
pub fn job(shared: runner::Shared) -> Job {
    Arc::new(move |partition, commit, stop| runner::run(&shared, partition, HealthChanges::default, commit, stop))
}
