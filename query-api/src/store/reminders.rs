//! Reminders of what is to be mended about venue codes, as the fold of their log has them.

use clickhouse::Row;
use schemas::VenueId;
use serde::Deserialize;
use uuid::Uuid;

use super::{DistrictFilter, Kind, Store};
use crate::QueryError;

/// The state of a reminder after a record.
#[derive(Debug, Clone, Row, Deserialize)]
pub struct ReminderRow {
    /// The reminder.
    #[serde(with = "clickhouse::serde::uuid")]
    pub reminder_id: Uuid,
    /// Place of the record in its log.
    pub revision: u64,
    /// District.
    pub district: u32,
    /// Credit code of the organisation.
    pub organisation: String,
    /// The venue; 0 where it is about the organisation as a whole.
    pub venue_id: VenueId,
    /// Of what.
    pub matter: String,
    /// First second after the day by which it is to be mended.
    pub due_at: i64,
    /// What was said of it; may be empty.
    pub note: String,
    /// How often the same was reminded of by then.
    pub times: u32,
    /// The one that was open in its place, if it was refused.
    #[serde(with = "clickhouse::serde::uuid::option")]
    pub open_instead: Option<Uuid>,
    /// When it was sent, in milliseconds since 1970.
    pub sent_at_ms: i64,
    /// By whom.
    pub sent_by: String,
    /// What the record says.
    pub action: String,
    /// When that was, in milliseconds since 1970.
    pub at_ms: i64,
    /// The command, if it was one.
    #[serde(with = "clickhouse::serde::uuid::option")]
    pub command_id: Option<Uuid>,
    /// Who sent it; empty when it was none.
    pub sender: String,
    /// Why it was not carried out; empty when it was.
    pub refused: String,
    /// The word that it came with: a reply or an outcome; may be empty.
    pub said: String,
    /// The note that it came with; may be empty.
    pub said_note: String,
    /// How far the reminder is.
    pub state: String,
    /// When it was found that nobody had settled it by its day.
    pub escalated_at_ms: Option<i64>,
    /// When it was last answered.
    pub answered_at_ms: Option<i64>,
    /// By whom; empty before.
    pub answered_by: String,
    /// What; empty before.
    pub reply: String,
    /// What was said to that; may be empty.
    pub reply_note: String,
    /// When it was settled.
    pub settled_at_ms: Option<i64>,
    /// By whom; empty before.
    pub settled_by: String,
    /// What came of it; empty before.
    pub outcome: String,
    /// What was said of that; may be empty.
    pub outcome_note: String,
}

/// Which reminders are meant; all parts hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReminderFilter {
    /// Those of a district, in a state or `escalated`, sent since.
    pub of: DistrictFilter,
    /// Those to an organisation.
    pub organisation: Option<String>,
    /// Without those that were refused.
    pub sent_only: bool,
}

impl Store {
    /// The last states of a reminder, oldest first, up to `limit`, and whether there are more; none when there is no such
    /// reminder.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn reminder(
        &self,
        (district, reminder): (u32, Uuid),
        limit: usize,
    ) -> Result<(Vec<ReminderRow>, bool), QueryError> {
        let query = self
            .query(include_str!("../sql/reminder.sql"))
            .param("district", district)
            .param("reminder", reminder.to_string());
        self.last_up_to(Kind::Reminder, query, limit).await
    }

    /// The reminders that are meant, as they are now, newest first, up to `limit`, and whether there are more.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn reminders(
        &self,
        filter: &ReminderFilter,
        limit: usize,
    ) -> Result<(Vec<ReminderRow>, bool), QueryError> {
        let query = filter.of.bind(self.query(include_str!("../sql/reminders.sql")));
        let query = query
            .param("organisation", filter.organisation.as_deref().unwrap_or_default())
            .param("sent_only", u8::from(filter.sent_only));
        self.up_to(Kind::Reminders, query, limit).await
    }
}
