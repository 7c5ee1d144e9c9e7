//! `GET /v1/reminders` and `GET /v1/reminders/{id}`: what organisations were reminded of, and what came of it (S4 三.1).
//!
//! Offices see those of their district, also what was refused. An operator sees what was sent to its organisation, and of
//! offices no account; of what was not sent to it there is nothing, whether there is such a reminder or not.

use axum::{Json, extract::State};
use chrono::{DateTime, NaiveDate, Utc};
use schemas::{
    CityProfile, ReminderEvent, VenueId,
    access::{Limit, Role},
    city::Bilingual,
    events::{ReminderMatter, ReminderOutcome, ReminderReply, ReminderState},
};
use serde::Serialize;
use service::{Caller, Problem, openapi::IdOfDistrict};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    district,
    visits::{DEFAULT_LIMIT, MAX_LIMIT},
};
use crate::{
    AppState, QueryError,
    answer::{self, said},
    input::{Fields, Segment},
    refusals::Refusals,
    store::{ReminderFilter, ReminderRow, VenueNames},
};

const ID: &str = "the identity of a reminder";
const ORGANISATION: &str = "the credit code of an organisation";
/// What `state` may ask for besides the states themselves.
const ESCALATED: &str = "escalated";
/// Most entries of a history: whoever sends commands again and again fills no answer with them.
const MAX_HISTORY: usize = 200;
/// What an organisation does; all else is done by offices.
const ANSWER: &str = "answer";

/// Reminders.
#[derive(Debug, Serialize, ToSchema)]
pub struct RemindersResponse {
    /// As they are now, the last sent first.
    reminders: Vec<Reminder>,
    /// Whether there are more than the limit let through.
    truncated: bool,
}

/// A reminder with all that was said of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReminderResponse {
    #[serde(flatten)]
    reminder: Reminder,
    /// What was done about it, oldest first.
    history: Vec<ReminderEntry>,
    /// Whether there was more before that.
    truncated: bool,
}

/// A reminder as it is now.
#[derive(Debug, Serialize, ToSchema)]
struct Reminder {
    /// Its identity.
    reminder: Uuid,
    /// How far it is: sent, answered or settled; refused, when the same was open already.
    state: String,
    /// Of what: no_code, no_freight_code, no_scans, not_displayed or not_checked.
    matter: String,
    /// The same in words.
    matter_name: Option<Bilingual>,
    /// Credit code of the organisation.
    organisation: String,
    /// District.
    district: u32,
    /// Number of the venue; null where it is about the organisation as a whole.
    venue: Option<VenueId>,
    /// Name of the venue; null as well when the directory does not have it.
    venue_name: Option<String>,
    /// The last day for it, in the city's time.
    deadline: Option<NaiveDate>,
    /// What was said of it.
    note: Option<String>,
    /// How often the same was reminded of by then, this time included; of one that was refused not included.
    times: u32,
    /// The one that was open, if this one was refused.
    open_instead: Option<Uuid>,
    /// When it was sent.
    sent_at: DateTime<Utc>,
    /// By which account; offices only see that.
    sent_by: Option<String>,
    /// When it was found that nobody had settled it by its day.
    escalated_at: Option<DateTime<Utc>>,
    /// When the organisation last answered.
    answered_at: Option<DateTime<Utc>>,
    /// By which account.
    answered_by: Option<String>,
    /// What it does: mended, mending or objected.
    reply: Option<ReminderReply>,
    /// The same in words.
    reply_name: Option<Bilingual>,
    /// What it says to that.
    reply_note: Option<String>,
    /// When it was settled.
    settled_at: Option<DateTime<Utc>>,
    /// By which account; offices only see that.
    settled_by: Option<String>,
    /// What came of it: mended, not_mended, interviewed, criticised, prosecuted or mistaken.
    outcome: Option<ReminderOutcome>,
    /// The same in words.
    outcome_name: Option<Bilingual>,
    /// What was said of that.
    outcome_note: Option<String>,
}

/// What was done about a reminder.
#[derive(Debug, Serialize, ToSchema)]
struct ReminderEntry {
    /// What it was: send, answer, settle or escalate.
    action: String,
    /// When.
    at: DateTime<Utc>,
    /// The command's identity, if it was one.
    command: Option<Uuid>,
    /// Which account sent it; of offices only offices see that.
    by: Option<String>,
    /// The reply or the outcome that it came with.
    said: Option<String>,
    /// The note that it came with.
    note: Option<String>,
    /// How far the reminder was after it.
    state: String,
    /// Why it was not carried out: already_open, already_settled, not_sent or too_many_answers.
    refused: Option<String>,
}

/// Who looks at reminders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    /// An office, which sees all of its district.
    Office,
    /// An organisation, which sees what was sent to it.
    Organisation,
}

/// What became of a reminder
///
/// It is here within a second or two after the gateway took it. For an operator there is none but those to its organisation.
#[utoipa::path(get, path = "/v1/reminders/{id}", tag = "reminders",
    params(IdOfDistrict),
    responses(
        (status = 200, description = "The reminder with its history", body = ReminderResponse),
        (status = 404, description = "`unknown-reminder`", body = Problem, content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn reminder(
    State(state): State<AppState>,
    caller: Caller,
    id: Segment,
    fields: Fields,
) -> Result<Json<ReminderResponse>, QueryError> {
    let (id, district) = district::identity(id, ID, ReminderEvent::district_of, caller.scope())?;
    fields.finish()?;
    let (rows, truncated) = state.store().reminder((district, id), MAX_HISTORY).await?;
    let view = View::of(&caller);
    let last = rows.last().filter(|last| view.has(last, &caller)).ok_or(QueryError::UnknownReminder)?;
    let names = state.store().venue_names(venue_of(last)).await?;
    let reminder = Reminder::new(last, state.city(), &names, view);
    let history = rows.into_iter().map(|row| ReminderEntry::new(row, view)).collect();
    Ok(Json(ReminderResponse { reminder, history, truncated }))
}

/// Reminders of a district or to an organisation, as they are now
#[utoipa::path(get, path = "/v1/reminders", tag = "reminders",
    params(
        ("organisation" = Option<String>, Query, description = "Credit code of the organisation that is reminded; an operator's own"),
        ("district" = Option<u32>, Query, minimum = 11, maximum = 829_999, description = "A district of GB/T 2260, or its first digits"),
        ("state" = Option<String>, Query, pattern = "^(sent|answered|settled|refused|escalated)$", description = "sent, answered, settled, refused; or escalated: those past their day that nobody has settled"),
        ("since" = Option<String>, Query, format = DateTime, description = "Those sent from this time on"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 10_000, description = "Most of them; 1000 when left out"),
    ),
    responses(
        (status = 200, description = "The reminders", body = RemindersResponse),
        Refusals,
    ))]
pub async fn reminders(
    State(state): State<AppState>,
    caller: Caller,
    mut fields: Fields,
) -> Result<Json<RemindersResponse>, QueryError> {
    let view = View::of(&caller);
    let filter = filter(&mut fields, &caller, view)?;
    let limit = fields.number("limit", 1..=MAX_LIMIT, DEFAULT_LIMIT)?;
    fields.finish()?;
    let (rows, truncated) = state.store().reminders(&filter, limit as usize).await?;
    let names = state.store().venue_names(rows.iter().filter_map(venue_of)).await?;
    let reminders = rows.iter().map(|row| Reminder::new(row, state.city(), &names, view)).collect();
    Ok(Json(RemindersResponse { reminders, truncated }))
}

/// What is asked for, within what the token is limited to.
fn filter(fields: &mut Fields, caller: &Caller, view: View) -> Result<ReminderFilter, QueryError> {
    const STATE: &str = "one of sent, answered, settled, refused, escalated";
    let own = caller.scope().organisation.clone();
    let organisation = match (fields.text("organisation", ORGANISATION)?, own) {
        (Some(asked), Some(own)) if asked != own => {
            return Err(QueryError::OutOfScope { field: "organisation", limit: Limit::Organisation });
        }
        (asked, own) => own.or(asked),
    };
    if view == View::Organisation && caller.scope().organisation.is_none() {
        return Err(QueryError::OutOfScope { field: "organisation", limit: Limit::Organisation });
    }
    let words = ReminderState::ALL.iter().map(|state| state.as_str()).chain([ESCALATED]);
    let of = district::filter(fields, caller.scope(), STATE, words)?;
    Ok(ReminderFilter { of, organisation, sent_only: view == View::Organisation })
}

fn venue_of(row: &ReminderRow) -> Option<VenueId> {
    Some(row.venue_id).filter(|venue| *venue > 0)
}

impl View {
    fn of(caller: &Caller) -> Self {
        match caller.role() {
            Role::Regulator | Role::District => Self::Office,
            _ => Self::Organisation,
        }
    }

    /// Whether there is such a reminder for whoever asks.
    fn has(self, row: &ReminderRow, caller: &Caller) -> bool {
        let own = caller.scope().organisation.as_ref().map(|own| *own == row.organisation);
        match self {
            Self::Office => own.unwrap_or(true),
            Self::Organisation => own.unwrap_or(false) && row.state != ReminderState::Refused.as_str(),
        }
    }

    /// An account of an office, as far as it is shown.
    fn office(self, account: &str) -> Option<String> {
        said(account.to_owned()).filter(|_| self == Self::Office)
    }
}

impl Reminder {
    fn new(row: &ReminderRow, city: &CityProfile, names: &VenueNames, view: View) -> Self {
        let (reply, outcome) = (ReminderReply::of(&row.reply), ReminderOutcome::of(&row.outcome));
        Self {
            reminder: row.reminder_id,
            state: row.state.clone(),
            matter: row.matter.clone(),
            matter_name: ReminderMatter::of(&row.matter).map(ReminderMatter::name),
            organisation: row.organisation.clone(),
            district: row.district,
            venue: venue_of(row),
            venue_name: venue_of(row).and_then(|venue| names.of(venue)).map(str::to_owned),
            deadline: city.day_of(row.due_at - 1),
            note: said(row.note.clone()),
            times: row.times,
            open_instead: row.open_instead,
            sent_at: answer::time_of_ms(row.sent_at_ms),
            sent_by: view.office(&row.sent_by),
            escalated_at: row.escalated_at_ms.map(answer::time_of_ms),
            answered_at: row.answered_at_ms.map(answer::time_of_ms),
            answered_by: said(row.answered_by.clone()),
            reply,
            reply_name: reply.map(ReminderReply::name),
            reply_note: said(row.reply_note.clone()),
            settled_at: row.settled_at_ms.map(answer::time_of_ms),
            settled_by: view.office(&row.settled_by),
            outcome,
            outcome_name: outcome.map(ReminderOutcome::name),
            outcome_note: said(row.outcome_note.clone()),
        }
    }
}

impl ReminderEntry {
    fn new(row: ReminderRow, view: View) -> Self {
        Self {
            by: if row.action == ANSWER { said(row.sender) } else { view.office(&row.sender) },
            action: row.action,
            at: answer::time_of_ms(row.at_ms),
            command: row.command_id,
            said: said(row.said),
            note: said(row.said_note),
            state: row.state,
            refused: said(row.refused),
        }
    }
}
