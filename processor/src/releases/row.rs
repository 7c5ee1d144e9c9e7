//! The row of a release's state after a record, as `releases` takes it.

use schemas::{ReleaseEvent, VenueId, events::ReleaseRefusal};
use serde::Serialize;
use uuid::Uuid;

use super::case::Case;
use crate::deed::by;

/// The table.
pub const TABLE: &str = "releases";

#[derive(Serialize)]
pub struct ReleaseRow<'a> {
    release_id: Uuid,
    revision: u64,
    district: u32,
    action: &'static str,
    at_ms: i64,
    command_id: Option<Uuid>,
    sender: &'a str,
    refused: &'static str,
    state: &'static str,
    asked_at_ms: i64,
    asked_by: &'a str,
    case_number: &'a str,
    case_kind: &'static str,
    evidence: &'a str,
    purpose: &'static str,
    persons: Vec<u64>,
    venues: &'a [VenueId],
    from_s: i64,
    to_s: i64,
    hops: u8,
    window_minutes: u16,
    expires_at_ms: i64,
    decided_at_ms: Option<i64>,
    decided_by: &'a str,
    declined_for: &'static str,
    withdrawn_at_ms: Option<i64>,
    withdrawn_by: &'a str,
}

impl<'a> ReleaseRow<'a> {
    /// The row of a case after the record at offset `revision`, and what became of the command that it is.
    pub fn new(
        (revision, event): (u64, &'a ReleaseEvent),
        case: &'a Case,
        (command_id, refused): (Option<Uuid>, Option<ReleaseRefusal>),
    ) -> Self {
        let asking = &case.asking;
        Self {
            release_id: event.release,
            revision,
            district: ReleaseEvent::district_of(event.release).unwrap_or_default(),
            action: event.action.as_str(),
            at_ms: event.at_ms,
            command_id,
            sender: event.action.by(),
            refused: refused.map_or("", ReleaseRefusal::as_str),
            state: case.state().as_str(),
            asked_at_ms: case.asked.at_ms,
            asked_by: &case.asked.by,
            case_number: &asking.case,
            case_kind: asking.case_kind.as_str(),
            evidence: &asking.evidence,
            purpose: asking.purpose.as_str(),
            persons: asking.persons.iter().map(|person| person.to_u64()).collect(),
            venues: &asking.venues,
            from_s: asking.from,
            to_s: asking.to,
            hops: asking.hops,
            window_minutes: asking.window_minutes,
            expires_at_ms: case.expires_at_ms,
            decided_at_ms: case.decided.as_ref().map(|deed| deed.at_ms),
            decided_by: by(case.decided.as_ref()),
            declined_for: case.declined_for.map_or("", |reason| reason.as_str()),
            withdrawn_at_ms: case.withdrawn.as_ref().map(|deed| deed.at_ms),
            withdrawn_by: by(case.withdrawn.as_ref()),
        }
    }
}
