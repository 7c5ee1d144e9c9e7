//! The row of an alert's state after a record, as `alerts` takes it.

use schemas::{AlertEvent, Colour, Method, PlateKey, Reasons, VenueId, Verdict};
use serde::Serialize;
use uuid::Uuid;

use super::case::{Case, Step};
use crate::deed::by;

/// The table.
pub const TABLE: &str = "alerts";

#[derive(Serialize)]
pub struct CaseRow<'a> {
    alert_id: Uuid,
    revision: u64,
    district: u32,
    kind: &'static str,
    source_id: Uuid,
    venue_id: VenueId,
    person_id: u64,
    scanned_at: i64,
    vehicle_id: u64,
    method: &'static str,
    verdict: &'static str,
    colour: &'static str,
    reasons: Reasons,
    raised_at_ms: i64,
    action: &'static str,
    at_ms: i64,
    command_id: Option<Uuid>,
    sender: &'a str,
    refused: &'static str,
    state: &'static str,
    escalated_at_ms: Option<i64>,
    acknowledged_at_ms: Option<i64>,
    acknowledged_by: &'a str,
    disposed_at_ms: Option<i64>,
    disposed_by: &'a str,
    disposition: &'static str,
}

impl<'a> CaseRow<'a> {
    /// The row of a case after the record at offset `revision`.
    pub fn new(alert_id: Uuid, revision: u64, event: &AlertEvent, case: &'a Case, step: &'a Step) -> Self {
        let raised = &case.raised;
        let disposed = case.disposed.as_ref().map(|(deed, _)| deed);
        Self {
            alert_id,
            revision,
            district: case.district,
            kind: raised.kind.as_str(),
            source_id: raised.source,
            venue_id: raised.venue,
            person_id: raised.person.to_u64(),
            scanned_at: raised.scanned_at,
            vehicle_id: raised.vehicle.map_or(0, PlateKey::to_u64),
            method: raised.method.map_or("", Method::as_str),
            verdict: raised.verdict.map_or("", Verdict::as_str),
            colour: raised.colour.map_or("", Colour::as_str),
            reasons: raised.reasons,
            raised_at_ms: case.raised_at_ms,
            action: event.action.as_str(),
            at_ms: event.at_ms,
            command_id: step.command,
            sender: &step.by,
            refused: step.refused.map_or("", |refusal| refusal.as_str()),
            state: case.state.as_str(),
            escalated_at_ms: case.escalated_at_ms,
            acknowledged_at_ms: case.acknowledged.as_ref().map(|deed| deed.at_ms),
            acknowledged_by: by(case.acknowledged.as_ref()),
            disposed_at_ms: disposed.map(|deed| deed.at_ms),
            disposed_by: by(disposed),
            disposition: case.disposed.as_ref().map_or("", |(_, disposition)| disposition.as_str()),
        }
    }
}
