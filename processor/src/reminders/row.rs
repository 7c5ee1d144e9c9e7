//! The row of a reminder's state after a record, as `reminders` takes it.

use schemas::{
    ReminderEvent, UnixSeconds, VenueId,
    events::{ReminderOutcome, ReminderReply},
};
use serde::Serialize;
use uuid::Uuid;

use super::case::{Case, Deed, Step};

/// The table.
pub const TABLE: &str = "reminders";

#[derive(Serialize)]
pub struct CaseRow<'a> {
    reminder_id: Uuid,
    revision: u64,
    district: u32,
    organisation: &'a str,
    venue_id: VenueId,
    matter: &'static str,
    due_at: UnixSeconds,
    note: &'a str,
    times: u32,
    open_instead: Option<Uuid>,
    sent_at_ms: i64,
    sent_by: &'a str,
    action: &'static str,
    at_ms: i64,
    command_id: Option<Uuid>,
    sender: &'a str,
    refused: &'static str,
    said: &'static str,
    said_note: &'a str,
    state: &'static str,
    escalated_at_ms: Option<i64>,
    answered_at_ms: Option<i64>,
    answered_by: &'a str,
    reply: &'static str,
    reply_note: &'a str,
    settled_at_ms: Option<i64>,
    settled_by: &'a str,
    outcome: &'static str,
    outcome_note: &'a str,
}

impl<'a> CaseRow<'a> {
    /// The row of a reminder after the record at offset `revision`.
    pub fn new((revision, event): (u64, &ReminderEvent), case: &'a Case, step: &'a Step) -> Self {
        let sending = &case.sending;
        let (answered, settled) = (parts(&case.answered), parts(&case.settled));
        Self {
            reminder_id: sending.reminder,
            revision,
            district: case.district,
            organisation: &sending.organisation,
            venue_id: sending.venue.unwrap_or_default(),
            matter: sending.matter.as_str(),
            due_at: sending.due_at,
            note: text(&sending.note),
            times: case.times,
            open_instead: case.open_instead,
            sent_at_ms: case.sent_at_ms,
            sent_by: &sending.by,
            action: event.action.as_str(),
            at_ms: event.at_ms,
            command_id: step.command,
            sender: &step.by,
            refused: step.refused.map_or("", |refusal| refusal.as_str()),
            said: step.said.0,
            said_note: text(&step.said.1),
            state: case.state.as_str(),
            escalated_at_ms: case.escalated_at_ms,
            answered_at_ms: answered.at_ms,
            answered_by: answered.by,
            reply: answered.word.map_or("", ReminderReply::as_str),
            reply_note: answered.note,
            settled_at_ms: settled.at_ms,
            settled_by: settled.by,
            outcome: settled.word.map_or("", ReminderOutcome::as_str),
            outcome_note: settled.note,
        }
    }
}

/// What was done, column by column; empty before it was.
struct Parts<'a, T> {
    at_ms: Option<i64>,
    by: &'a str,
    note: &'a str,
    word: Option<T>,
}

fn parts<T: Copy>(done: &Option<(Deed, T)>) -> Parts<'_, T> {
    match done {
        Some((deed, word)) => {
            Parts { at_ms: Some(deed.at_ms), by: &deed.by, note: text(&deed.note), word: Some(*word) }
        }
        None => Parts { at_ms: None, by: "", note: "", word: None },
    }
}

fn text(note: &Option<String>) -> &str {
    note.as_deref().unwrap_or_default()
}
