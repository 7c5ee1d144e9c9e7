//! The row of an erasure's state after a record, as `erasures` takes it.

use schemas::{
    ErasureEvent, PersonDigest,
    events::{ErasureRefusal, Remains, Removed},
};
use serde::Serialize;
use uuid::Uuid;

use super::case::Case;
use crate::deed::by;

/// The table.
pub const TABLE: &str = "erasures";

#[derive(Serialize)]
pub struct ErasureRow<'a> {
    erasure_id: Uuid,
    revision: u64,
    district: u32,
    action: &'static str,
    at_ms: i64,
    command_id: Option<Uuid>,
    sender: &'a str,
    refused: &'static str,
    state: &'static str,
    digest: PersonDigest,
    basis: &'static str,
    evidence: &'a str,
    asked_at_ms: i64,
    asked_by: &'a str,
    expires_at_ms: i64,
    confirmed_at_ms: Option<i64>,
    confirmed_by: &'a str,
    declined_at_ms: Option<i64>,
    declined_by: &'a str,
    declined_for: &'static str,
    erased_before_ms: Option<i64>,
    done_at_ms: Option<i64>,
    removed_tables: Vec<&'a str>,
    removed_rows: Vec<u64>,
    remains_topics: Vec<&'a str>,
    remains_until_ms: Vec<i64>,
}

impl<'a> ErasureRow<'a> {
    /// The row of a case after the record at offset `revision`, and what became of the command that it is.
    pub fn new(
        (revision, event): (u64, &'a ErasureEvent),
        case: &'a Case,
        (command_id, refused): (Option<Uuid>, Option<ErasureRefusal>),
    ) -> Self {
        let (confirmed, declined) = (case.confirmed.as_ref(), case.declined.as_ref().map(|(deed, _)| deed));
        let removed: &[Removed] = case.done.as_ref().map_or(&[], |done| &done.removed);
        let remains: &[Remains] = case.done.as_ref().map_or(&[], |done| &done.remains);
        Self {
            erasure_id: event.erasure,
            revision,
            district: ErasureEvent::district_of(event.erasure).unwrap_or_default(),
            action: event.action.as_str(),
            at_ms: event.at_ms,
            command_id,
            sender: event.action.by(),
            refused: refused.map_or("", ErasureRefusal::as_str),
            state: case.state().as_str(),
            digest: case.digest,
            basis: case.basis.as_str(),
            evidence: &case.evidence,
            asked_at_ms: case.asked.at_ms,
            asked_by: &case.asked.by,
            expires_at_ms: case.expires_at_ms,
            confirmed_at_ms: confirmed.map(|deed| deed.at_ms),
            confirmed_by: by(confirmed),
            declined_at_ms: declined.map(|deed| deed.at_ms),
            declined_by: by(declined),
            declined_for: case.declined.as_ref().map_or("", |(_, reason)| reason.as_str()),
            erased_before_ms: confirmed.map(|deed| deed.at_ms),
            done_at_ms: case.done.as_ref().map(|done| done.at_ms),
            removed_tables: removed.iter().map(|removed| removed.table.as_str()).collect(),
            removed_rows: removed.iter().map(|removed| removed.rows).collect(),
            remains_topics: remains.iter().map(|remains| remains.topic.as_str()).collect(),
            remains_until_ms: remains.iter().map(|remains| remains.until_ms.unwrap_or_default()).collect(),
        }
    }
}
