//! Reminders: what a regulator has reminded an organisation of, what it answers, and what comes of it (S4 三.1).
//!
//! A [`Machine`] over the topic `reminders`, whose key is the district: one partition has all that is said about a
//! district's reminders in one order, so that the same is never reminded of twice while it is open. [`case`] says what
//! becomes of one; here it becomes rows for the reading side, and what nobody has settled by its day is escalated.
//! Nothing is forgotten: how often somebody was reminded decides what follows, so the log is folded from its first record.

pub mod case;
pub mod gauges;
mod row;

use std::{collections::BTreeSet, sync::Arc};

use hashbrown::HashMap;
use schemas::{
    ReminderEvent,
    events::{ReminderAction, ReminderState, Sending, VERSION},
};
use uuid::Uuid;

use self::{
    case::{About, Case, Step},
    gauges::Gauges,
    row::CaseRow,
};
use crate::{
    machine::{Machine, Message, Outputs, Record, Row, runner},
    workers::Job,
};

/// The reminders of one partition.
pub struct Reminders {
    topic: String,
    gauges: Option<Gauges>,
    cases: HashMap<Uuid, Case>,
    /// What was ever reminded of.
    matters: HashMap<About, Reminded>,
    /// Reminders that are not settled.
    open: BTreeSet<Uuid>,
    /// Those of them that are not escalated, by when they are due, in milliseconds since 1970.
    waiting: BTreeSet<(i64, Uuid)>,
}

/// How often something was reminded of.
#[derive(Default)]
struct Reminded {
    times: u32,
    open: Option<Uuid>,
}

impl Reminders {
    /// None yet; with gauges it shows how many are open.
    pub fn new(topic: &str, gauges: Option<Gauges>) -> Self {
        Self {
            topic: topic.to_owned(),
            gauges,
            cases: HashMap::new(),
            matters: HashMap::new(),
            open: BTreeSet::new(),
            waiting: BTreeSet::new(),
        }
    }

    /// A reminder.
    pub fn case(&self, reminder: Uuid) -> Option<&Case> {
        self.cases.get(&reminder)
    }

    fn send(&mut self, sending: &Sending, event: &ReminderEvent, record: u64) -> Option<Row> {
        let reminder = sending.reminder;
        if self.cases.contains_key(&reminder) {
            return None;
        }
        let matter = self.matters.entry(About::of(event.district, sending)).or_default();
        let case = match matter.open {
            Some(open) => Case::refused(sending, event, matter.times, open),
            None => {
                matter.times += 1;
                matter.open = Some(reminder);
                Case::sent(sending, event, matter.times)
            }
        };
        if case.state == ReminderState::Sent {
            self.open.insert(reminder);
            self.waiting.insert((case.due_at_ms(), reminder));
        }
        let row = row(record, event, &case, &Step::of_sending(&case));
        self.cases.insert(reminder, case);
        Some(row)
    }

    fn follow(&mut self, reminder: Uuid, event: &ReminderEvent, record: u64) -> Result<Option<Row>, String> {
        // The same whether there is none, or it was never sent, or to somebody else.
        let unknown = "field `reminder`: there is no such reminder, or it is another organisation's";
        let case = self.cases.get_mut(&reminder).filter(|case| case.is_known_to(&event.action)).ok_or(unknown)?;
        let Some(step) = case.follow(&event.action, event.at_ms) else { return Ok(None) };
        if case.state == ReminderState::Settled && self.open.remove(&reminder) {
            self.waiting.remove(&(case.due_at_ms(), reminder));
            if let Some(matter) = self.matters.get_mut(&About::of(case.district, &case.sending)) {
                matter.open = None;
            }
        }
        Ok(Some(row(record, event, case, &step)))
    }

    fn escalate(&mut self, due_by_ms: i64, event: &ReminderEvent, record: u64) -> Vec<Row> {
        let overdue = self.overdue(due_by_ms).filter(|(_, case)| case.district == event.district);
        let overdue: Vec<Uuid> = overdue.map(|(reminder, _)| reminder).collect();
        let mut rows = Vec::new();
        for reminder in overdue {
            if let Some(case) = self.cases.get_mut(&reminder) {
                case.escalated_at_ms = Some(event.at_ms);
                self.waiting.remove(&(case.due_at_ms(), reminder));
                rows.push(row(record, event, case, &Step::default()));
            }
        }
        rows
    }

    fn overdue(&self, due_by_ms: i64) -> impl Iterator<Item = (Uuid, &Case)> {
        let waiting = self.waiting.range(..=(due_by_ms, Uuid::max()));
        waiting.filter_map(|(_, reminder)| Some((*reminder, self.cases.get(reminder)?)))
    }
}

impl Machine for Reminders {
    fn apply(&mut self, record: &Record<'_>) -> Result<Outputs, String> {
        let event = ReminderEvent::try_parse(record.value).map_err(|error| error.to_string())?;
        if record.key != event.district.to_string().as_bytes() {
            return Err("field `district`: is not the key of the message".to_owned());
        }
        let rows = match &event.action {
            ReminderAction::Send(sending) => self.send(sending, &event, record.offset).into_iter().collect(),
            ReminderAction::Answer { reminder, .. } | ReminderAction::Settle { reminder, .. } => {
                self.follow(*reminder, &event, record.offset)?.into_iter().collect()
            }
            ReminderAction::Escalate { due_by_ms } => self.escalate(*due_by_ms, &event, record.offset),
        };
        Ok(Outputs { messages: Vec::new(), rows })
    }

    fn due(&mut self, now_ms: i64) -> Vec<Message> {
        if let Some(gauges) = &self.gauges {
            gauges.show(self.open.iter().filter_map(|reminder| self.cases.get(reminder)));
        }
        let districts: BTreeSet<u32> = self.overdue(now_ms).map(|(_, case)| case.district).collect();
        let tick = |district| {
            let action = ReminderAction::Escalate { due_by_ms: now_ms };
            let event = ReminderEvent { v: VERSION, district, at_ms: now_ms, action };
            Message::new(&self.topic, district.to_string(), &event)
        };
        districts.into_iter().map(tick).collect()
    }
}

/// What runs a partition of reminders.
pub fn job(shared: runner::Shared) -> Job {
    let topic = shared.kafka.topics().reminders;
    Arc::new(move |partition, commit, stop| {
        let reminders = || Reminders::new(&topic, Some(Gauges::of(partition)));
        runner::run(&shared, partition, reminders, commit, stop);
        // Whoever holds the partition now speaks for it.
        Gauges::of(partition).clear();
    })
}

fn row(revision: u64, event: &ReminderEvent, case: &Case, step: &Step) -> Row {
    Row::new(row::TABLE, &CaseRow::new((revision, event), case, step))
}

#[cfg(test)]
mod tests;
