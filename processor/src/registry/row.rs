//! The row of an application's state after a command, as `application_states` takes it.

use schemas::{
    ApplicationEvent, VenueId,
    city::{ChannelKind, OrganisationKind, VenueKind},
    events::Submission,
};
use serde::Serialize;
use uuid::Uuid;

use super::organisation::{Application, Decision};

/// The table.
pub const TABLE: &str = "application_states";

#[derive(Serialize)]
pub struct StateRow<'a> {
    application_id: Uuid,
    revision: u64,
    command_id: Uuid,
    action: &'static str,
    at_ms: i64,
    state: &'static str,
    refused: &'static str,
    reason: &'static str,
    note: &'a str,
    duplicate_of: Option<Uuid>,
    venue_id: VenueId,
    serial: u8,
    organisation: &'a str,
    organisation_name: &'a str,
    organisation_kind: OrganisationKind,
    applicant: u64,
    applicant_kind: &'a str,
    channel: ChannelKind,
    kind: VenueKind,
    category: &'a str,
    name: &'a str,
    district: u32,
    address: &'a str,
    door: &'a str,
    latitude: Option<f64>,
    longitude: Option<f64>,
    starts_at: Option<i64>,
    ends_at: Option<i64>,
}

impl<'a> StateRow<'a> {
    /// The row of a command that was decided.
    pub fn new(
        revision: u64,
        event: &'a ApplicationEvent,
        decision: &'a Decision,
        application: &'a Application,
    ) -> Self {
        let (venue_id, serial) = application.code.unwrap_or_default();
        let submission: &Submission = &application.submission;
        Self {
            application_id: decision.application,
            revision,
            command_id: event.command,
            action: event.action.as_str(),
            at_ms: event.at_ms,
            state: application.state.as_str(),
            refused: decision.refused.map_or("", |refusal| refusal.as_str()),
            reason: decision.rejected.map_or("", |rejection| rejection.as_str()),
            note: decision.note.as_deref().unwrap_or_default(),
            duplicate_of: decision.duplicate_of,
            venue_id,
            serial,
            organisation: &event.organisation,
            organisation_name: &submission.organisation_name,
            organisation_kind: submission.organisation_kind,
            applicant: submission.applicant.to_u64(),
            applicant_kind: &submission.applicant_kind,
            channel: submission.channel,
            kind: submission.kind,
            category: &submission.category,
            name: &submission.name,
            district: submission.district,
            address: &submission.address,
            door: submission.door.as_deref().unwrap_or_default(),
            latitude: submission.latitude,
            longitude: submission.longitude,
            starts_at: submission.starts_at,
            ends_at: submission.ends_at,
        }
    }
}
