//! The row of a bulk change's state after a record, as `health_proposals` takes it.

use schemas::{ProposalEvent, events::ProposalRefusal};
use serde::Serialize;
use uuid::Uuid;

use super::case::{Case, Made};
use crate::deed::by;

/// The table.
pub const TABLE: &str = "health_proposals";

#[derive(Serialize)]
pub struct CaseRow<'a> {
    proposal_id: Uuid,
    revision: u64,
    action: &'static str,
    at_ms: i64,
    command_id: Option<Uuid>,
    sender: &'a str,
    refused: &'static str,
    state: &'static str,
    digest: &'a str,
    changes: usize,
    yellow: usize,
    red: usize,
    made_at_ms: i64,
    made_by: &'a str,
    expires_at_ms: i64,
    released_at_ms: Option<i64>,
    released_by: &'a str,
}

impl<'a> CaseRow<'a> {
    /// The row of a case after the record at offset `revision`, which `sender` sent as `command`.
    pub fn new(
        (revision, event): (u64, &'a ProposalEvent),
        case: &'a Case,
        made: &'a Made,
        (command_id, sender, refused): (Option<Uuid>, &'a str, Option<ProposalRefusal>),
    ) -> Self {
        Self {
            proposal_id: event.proposal,
            revision,
            action: event.action.as_str(),
            at_ms: event.at_ms,
            command_id,
            sender,
            refused: refused.map_or("", |refusal| refusal.as_str()),
            state: case.state().map_or("", |state| state.as_str()),
            digest: &made.digest,
            changes: made.changes,
            yellow: made.yellow,
            red: made.red,
            made_at_ms: made.deed.at_ms,
            made_by: &made.deed.by,
            expires_at_ms: made.expires_at_ms,
            released_at_ms: case.released.as_ref().map(|deed| deed.at_ms),
            released_by: by(case.released.as_ref()),
        }
    }
}
