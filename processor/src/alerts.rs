//! The alert book: what became of each alert about an abnormal scan.
//!
//! It is a [`Machine`] over the topic `alerts`, whose key is the district: one partition has all that is said about a
//! district's alerts in one order. Scans raise alerts at least once (`worker/storing.rs`); here each is raised once, by its
//! identity. [`case`] says what becomes of one alert; here it becomes rows for the reading side, and what nobody has
//! acknowledged in time is escalated. What the city no longer keeps is in no book.

pub mod case;
pub mod gauges;
mod row;

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use hashbrown::{HashMap, HashSet};
use schemas::{
    AlertEvent, Erased, Retention, UnixSeconds,
    events::{AlertAction, AlertState, VERSION},
};
use uuid::Uuid;

use self::{
    case::{Case, Step},
    gauges::Gauges,
    row::CaseRow,
};
use crate::{
    machine::{Machine, Message, Outputs, Record, Row, runner},
    workers::Job,
};

/// How long a case that is closed is remembered at most, in milliseconds: as long as its records may be kept.
const REMEMBERED_MS: i64 = 31 * 24 * 3600 * 1000;

/// The alert book of one partition.
pub struct AlertBook {
    topic: String,
    escalate_after: Duration,
    retention: Option<Retention>,
    gauges: Option<Gauges>,
    cases: HashMap<Uuid, Case>,
    /// The same by what is oldest in them, in seconds since 1970.
    ages: BTreeSet<(UnixSeconds, Uuid)>,
    /// Cases that nobody has acknowledged and that are not escalated, by when they were raised.
    waiting: BTreeSet<(i64, Uuid)>,
    /// Cases that are not closed.
    open: HashSet<Uuid>,
    /// Cases that are closed, with when that was, in the order of the log.
    closed: VecDeque<(i64, Uuid)>,
    /// Of whom nothing is raised.
    erased: Arc<Erased>,
    /// Alerts that are not there on that account: what is still said about them comes to nothing.
    left_out: HashSet<Uuid>,
}

impl AlertBook {
    /// An empty book. Alerts are escalated after a time without acknowledgement and dropped when they are past, if anything
    /// ever is; with gauges it shows how many are open.
    pub fn new(topic: &str, escalate_after: Duration, retention: Option<Retention>, gauges: Option<Gauges>) -> Self {
        Self {
            topic: topic.to_owned(),
            escalate_after,
            retention,
            gauges,
            cases: HashMap::new(),
            ages: BTreeSet::new(),
            waiting: BTreeSet::new(),
            open: HashSet::new(),
            closed: VecDeque::new(),
            erased: Arc::default(),
            left_out: HashSet::new(),
        }
    }

    /// An alert's case.
    pub fn case(&self, alert: Uuid) -> Option<&Case> {
        self.cases.get(&alert)
    }

    fn raise(&mut self, event: &AlertEvent, record: u64) -> Option<Row> {
        let AlertAction::Raised(raised) = &event.action else { return None };
        if self.erased.has_alert(event) {
            self.left_out.insert(raised.alert);
            return None;
        }
        if self.cases.contains_key(&raised.alert) {
            return None;
        }
        let case = Case::new(raised, event.district, event.at_ms);
        let row = row(raised.alert, record, event, &case, &Step::default());
        self.waiting.insert((event.at_ms, raised.alert));
        self.open.insert(raised.alert);
        self.ages.insert((case.oldest(), raised.alert));
        self.cases.insert(raised.alert, case);
        Some(row)
    }

    fn follow(&mut self, alert: Uuid, event: &AlertEvent, record: u64) -> Result<Option<Row>, String> {
        if self.left_out.contains(&alert) {
            return Ok(None);
        }
        let unknown = "field `alert`: the district has no such alert, or it has expired";
        let case = self.cases.get_mut(&alert).ok_or(unknown)?;
        let Some(step) = case.follow(&event.action, event.at_ms) else { return Ok(None) };
        if case.state != AlertState::Raised {
            self.waiting.remove(&(case.raised_at_ms, alert));
        }
        if case.state == AlertState::Disposed && self.open.remove(&alert) {
            self.closed.push_back((event.at_ms, alert));
        }
        Ok(Some(row(alert, record, event, case, &step)))
    }

    fn escalate(&mut self, raised_before_ms: i64, event: &AlertEvent, record: u64) -> Vec<Row> {
        let overdue = self.overdue(raised_before_ms).filter(|(_, case)| case.district == event.district);
        let overdue: Vec<Uuid> = overdue.map(|(alert, _)| alert).collect();
        let mut rows = Vec::new();
        for alert in overdue {
            if let Some(case) = self.cases.get_mut(&alert) {
                case.escalated_at_ms = Some(event.at_ms);
                self.waiting.remove(&(case.raised_at_ms, alert));
                rows.push(row(alert, record, event, case, &Step::default()));
            }
        }
        rows
    }

    fn overdue(&self, raised_before_ms: i64) -> impl Iterator<Item = (Uuid, &Case)> {
        let waiting = self.waiting.range(..(raised_before_ms, Uuid::nil()));
        waiting.filter_map(|(_, alert)| Some((*alert, self.cases.get(alert)?)))
    }

    /// Forgets what was closed so long ago that nothing more can come of it.
    fn forget(&mut self, now_ms: i64) {
        while let Some((closed_at_ms, alert)) = self.closed.front().copied()
            && closed_at_ms + REMEMBERED_MS < now_ms
        {
            self.closed.pop_front();
            self.remove(alert);
        }
    }

    /// Drops what is past: its rows are forgotten, and its records go with the retention of the city as well, so that
    /// nobody could look after it any more, nor would the next book know of it.
    fn drop_past(&mut self, horizon: UnixSeconds) {
        while let Some((oldest, alert)) = self.ages.first().copied()
            && oldest < horizon
        {
            self.ages.pop_first();
            self.remove(alert);
        }
    }

    fn remove(&mut self, alert: Uuid) {
        if let Some(case) = self.cases.remove(&alert) {
            self.ages.remove(&(case.oldest(), alert));
            self.waiting.remove(&(case.raised_at_ms, alert));
            self.open.remove(&alert);
        }
    }
}

impl Machine for AlertBook {
    const LOG_EXPIRES: bool = true;
    const OF_PEOPLE: bool = true;

    fn leave_out(&mut self, erased: &Arc<Erased>) {
        let is_erased = |case: &Case| erased.has_late(case.raised.person, case.raised.scanned_at, case.raised_at_ms);
        let gone: Vec<Uuid> = self.cases.iter().filter(|(_, case)| is_erased(case)).map(|(alert, _)| *alert).collect();
        for alert in gone {
            self.remove(alert);
            self.left_out.insert(alert);
        }
        self.erased = Arc::clone(erased);
    }

    fn apply(&mut self, record: &Record<'_>) -> Result<Outputs, String> {
        let event = AlertEvent::try_parse(record.value).map_err(|error| error.to_string())?;
        if record.key != event.district.to_string().as_bytes() {
            return Err("field `district`: is not the key of the message".to_owned());
        }
        self.forget(event.at_ms);
        let rows = match event.action {
            AlertAction::Raised(_) => self.raise(&event, record.offset).into_iter().collect(),
            AlertAction::Acknowledge { alert, .. } | AlertAction::Dispose { alert, .. } => {
                self.follow(alert, &event, record.offset)?.into_iter().collect()
            }
            AlertAction::Escalate { raised_before_ms } => self.escalate(raised_before_ms, &event, record.offset),
        };
        Ok(Outputs { messages: Vec::new(), rows })
    }

    fn due(&mut self, now_ms: i64) -> Vec<Message> {
        if let Some(retention) = self.retention {
            self.drop_past(retention.horizon(now_ms / 1000));
        }
        if let Some(gauges) = &self.gauges {
            gauges.show(self.open.iter().filter_map(|alert| self.cases.get(alert)), now_ms);
        }
        let after_ms = i64::try_from(self.escalate_after.as_millis()).unwrap_or(i64::MAX);
        let raised_before_ms = now_ms.saturating_sub(after_ms);
        let districts: BTreeSet<u32> = self.overdue(raised_before_ms).map(|(_, case)| case.district).collect();
        let tick = |district| {
            let action = AlertAction::Escalate { raised_before_ms };
            let event = AlertEvent { v: VERSION, district, at_ms: now_ms, action };
            Message::new(&self.topic, district.to_string(), &event)
        };
        districts.into_iter().map(tick).collect()
    }
}

/// What runs a partition of the alert book.
pub fn job(shared: runner::Shared, escalate_after: Duration, retention: Option<Retention>) -> Job {
    let topic = shared.kafka.topics().alerts;
    Arc::new(move |partition, commit, stop| {
        let book = || AlertBook::new(&topic, escalate_after, retention, Some(Gauges::of(partition)));
        runner::run(&shared, partition, book, commit, stop);
        // Whoever holds the partition now speaks for it.
        Gauges::of(partition).clear();
    })
}

fn row(alert: Uuid, revision: u64, event: &AlertEvent, case: &Case, step: &Step) -> Row {
    Row::new(row::TABLE, &CaseRow::new(alert, revision, event, case, step))
}

#[cfg(test)]
mod tests;
