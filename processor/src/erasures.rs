//! Erasures: everything that is kept of one person goes when a second account has confirmed it.
//!
//! A [`Machine`] over the topic `erasures`: one partition has all that is said about an erasure in one order, so that it is
//! decided once and never by who asked. [`case`] decides about one. What is confirmed the owner of the log writes down
//! itself, as a record by which every service leaves the person out from then on, and carries it out ([`carry`]); that it
//! is done is one more record, in the place of the one that names the person. Whoever dies in between, the next owner finds
//! what is confirmed and not done, and carries it out again. Whatever comes in behind that and names the person again is
//! followed by a record that does not, so that the last one of each key names nobody.

pub mod carry;
pub mod case;
mod row;

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
};

use ::metrics::gauge;
use schemas::{
    ErasureEvent, PersonKey,
    events::{ErasureAction, ErasureRefusal, Grounds, VERSION},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::{
    carry::{Carried, Carrier},
    case::{Case, Done},
    row::ErasureRow,
};
use crate::{
    deed::Deed,
    machine::{Machine, Message, Outputs, Record, Row, runner},
    metrics,
    workers::Job,
};

/// How long what is over is remembered, in milliseconds: longer than a command about it is on its way.
const REMEMBERED_MS: i64 = 31 * 24 * 3600 * 1000;
/// How long after a failure an erasure is carried out again, in milliseconds.
const PAUSE_MS: i64 = 2_000;

/// Carries an erasure out: whose, and what was made or accepted before when. `None` when it was asked to stop.
pub type Carry = Box<dyn Fn(PersonKey, i64) -> anyhow::Result<Option<Carried>> + Send>;

/// The erasures of the log.
#[derive(Default)]
pub struct Erasures {
    topic: String,
    carry: Option<Carry>,
    cases: BTreeMap<Uuid, Case>,
    /// Those that are to be carried out, with whom.
    pending: BTreeMap<Uuid, PersonKey>,
    /// When an attempt failed, in milliseconds since 1970, and which; the next one is that of another erasure.
    failed: Option<(i64, Uuid)>,
}

impl Erasures {
    /// None yet; what is decided goes to `topic`, and is carried out by `carry`.
    pub fn new(topic: &str, carry: Carry) -> Self {
        Self { topic: topic.to_owned(), carry: Some(carry), ..Self::default() }
    }

    /// An erasure.
    pub fn case(&self, erasure: Uuid) -> Option<&Case> {
        self.cases.get(&erasure)
    }

    /// Applies what the owner of the log wrote. All that is known of it is in the record: those before may have been
    /// compacted away.
    fn decided(&mut self, event: &ErasureEvent, grounds: &Grounds) -> &mut Case {
        let case = self.cases.entry(event.erasure).or_insert_with(|| Case::of(grounds));
        case.write(grounds);
        case
    }

    /// Forgets what was over so long ago that nothing more can come of it.
    fn forget(&mut self, now_ms: i64) {
        self.cases.retain(|erasure, case| {
            self.pending.contains_key(erasure) || case.over_since_ms().is_none_or(|at| at + REMEMBERED_MS >= now_ms)
        });
    }

    fn message(&self, erasure: Uuid, at_ms: i64, action: ErasureAction) -> Message {
        let event = ErasureEvent { v: VERSION, erasure, at_ms, action };
        Message::new(&self.topic, event.key(), &event)
    }

    /// What takes the place of a record about an erasure that names the person once more, when all is over.
    fn closed(&self, event: &ErasureEvent, case: &Case) -> Outputs {
        let is_over = case.over_since_ms().is_some();
        let closing = is_over.then(|| self.message(event.erasure, event.at_ms, ErasureAction::Lapse));
        Outputs { messages: closing.into_iter().collect(), rows: Vec::new() }
    }

    /// The same of what was carried out: another owner, or one who read the log again, wrote down behind it that it is
    /// confirmed.
    fn done_again(&self, erasure: Uuid) -> Option<Message> {
        let case = self.cases.get(&erasure)?;
        let (grounds, Done { at_ms, removed, remains }) = (Box::new(case.grounds()?), case.done.clone()?);
        Some(self.message(erasure, at_ms, ErasureAction::Done { grounds, removed, remains }))
    }

    /// What nobody confirmed in time lapses, which takes the place of the record that names the person.
    fn lapsed(&self, now_ms: i64) -> Vec<Message> {
        let lapsed = self.cases.iter().filter(|(_, case)| case.has_lapsed(now_ms));
        lapsed.map(|(erasure, _)| self.message(*erasure, now_ms, ErasureAction::Lapse)).collect()
    }

    /// What is confirmed is written down. A gateway's clock that is ahead erases nothing of what is still to come.
    fn confirmed(&self, now_ms: i64) -> Vec<Message> {
        let confirmed = self.cases.iter().filter(|(_, case)| !case.is_written).filter_map(|(erasure, case)| {
            let (person, mut grounds) = (case.person?, case.grounds()?);
            grounds.before_ms = grounds.before_ms.min(now_ms);
            let action = ErasureAction::Erase { person, grounds: Box::new(grounds) };
            Some(self.message(*erasure, now_ms, action))
        });
        confirmed.collect()
    }

    /// The erasure to be carried out next, and whose: after one that failed another one, if there is one.
    fn next(&self) -> Option<(Uuid, PersonKey)> {
        let (_, failed) = self.failed.unwrap_or_default();
        let next = self.pending.range((Excluded(failed), Unbounded)).next().or_else(|| self.pending.first_key_value());
        next.map(|(erasure, person)| (*erasure, *person))
    }

    /// Carries out what is confirmed, one after the other.
    fn carried_out(&mut self, now_ms: i64) -> Option<Message> {
        if self.failed.is_some_and(|(failed_at_ms, _)| now_ms < failed_at_ms.saturating_add(PAUSE_MS)) {
            return None;
        }
        let (erasure, person) = self.next()?;
        let grounds = self.cases.get(&erasure)?.grounds()?;
        let carried = self.carry.as_ref()?(person, grounds.before_ms);
        self.failed = carried.is_err().then_some((now_ms, erasure));
        match carried {
            Ok(Some(Carried { removed, remains, done_at_ms })) => {
                // Until the record is read, which takes a moment, it is not to be carried out again.
                self.pending.remove(&erasure);
                let action = ErasureAction::Done { grounds: Box::new(grounds), removed, remains };
                Some(self.message(erasure, done_at_ms, action))
            }
            Ok(None) => None,
            Err(error) => {
                tracing::warn!(%erasure, error = format!("{error:#}"), "cannot erase a person yet; trying again");
                None
            }
        }
    }

    fn show(&self) {
        let since = self.pending.keys().filter_map(|erasure| self.cases.get(erasure)?.confirmed.as_ref());
        let oldest = since.map(|deed| deed.at_ms).min().map_or(0.0, |at_ms| at_ms as f64 / 1000.0);
        gauge!(metrics::ERASURES_OPEN).set(self.pending.len() as f64);
        gauge!(metrics::ERASURES_WAITING_SINCE).set(oldest);
    }
}

impl Machine for Erasures {
    const LOG_EXPIRES: bool = true;

    fn apply(&mut self, record: &Record<'_>) -> Result<Outputs, String> {
        let event = ErasureEvent::try_parse(record.value).map_err(|error| error.to_string())?;
        if record.key != event.key().as_bytes() {
            return Err("field `erasure`: is not the key of the message".to_owned());
        }
        let deed = |by: &str| Deed { by: by.to_owned(), at_ms: event.at_ms };
        let mut closed = Outputs::default();
        let outcome = match &event.action {
            ErasureAction::Ask(ask) => {
                if let Some(case) = self.cases.get(&event.erasure) {
                    return Ok(self.closed(&event, case));
                }
                self.forget(event.at_ms);
                self.cases.insert(event.erasure, Case::new(deed(&ask.by), (**ask).clone()));
                (None, None)
            }
            ErasureAction::Confirm { command, by, digests } => {
                let case = self.cases.get_mut(&event.erasure).ok_or(UNKNOWN)?;
                // A command that comes again was answered before.
                let Some(decided) = case.confirm(*command, deed(by), digests) else { return Ok(Outputs::default()) };
                (Some(*command), decided.err())
            }
            ErasureAction::Decline { command, by, reason } => {
                let case = self.cases.get_mut(&event.erasure).ok_or(UNKNOWN)?;
                let Some(decided) = case.decline(*command, deed(by), *reason) else { return Ok(Outputs::default()) };
                (Some(*command), decided.err())
            }
            ErasureAction::Lapse => match self.cases.get_mut(&event.erasure).map(|case| case.lapse(event.at_ms)) {
                Some(true) => (None, None),
                _ => return Ok(Outputs::default()),
            },
            ErasureAction::Erase { person, grounds } => {
                if self.decided(&event, grounds).done.is_some() {
                    let messages = self.done_again(event.erasure).into_iter().collect();
                    return Ok(Outputs { messages, rows: Vec::new() });
                }
                self.pending.insert(event.erasure, *person);
                return Ok(Outputs::default());
            }
            ErasureAction::Done { grounds, removed, remains } => {
                self.pending.remove(&event.erasure);
                if !self.decided(&event, grounds).finish(event.at_ms, removed.clone(), remains.clone()) {
                    return Ok(Outputs::default());
                }
                // It may have been asked for once more meanwhile.
                closed = self.cases.get(&event.erasure).map(|case| self.closed(&event, case)).unwrap_or_default();
                (None, None)
            }
        };
        let rows = self.cases.get(&event.erasure).map(|case| row(case, &event, record.offset, outcome));
        Ok(Outputs { rows: rows.into_iter().collect(), ..closed })
    }

    fn due(&mut self, now_ms: i64) -> Vec<Message> {
        let mut messages = self.lapsed(now_ms);
        messages.extend(self.confirmed(now_ms));
        // That takes long, and whoever is confirmed is to be left out at once.
        if messages.is_empty() {
            messages.extend(self.carried_out(now_ms));
        }
        self.show();
        messages
    }
}

const UNKNOWN: &str = "field `erasure`: nobody has asked for it, or it is over";

/// What runs the log of erasures.
pub fn job(shared: runner::Shared, carrier: Carrier) -> Job {
    let (topic, carrier) = (shared.kafka.topics().erasures, Arc::new(carrier));
    Arc::new(move |partition, commit, stop| {
        let carry = || -> Carry {
            let (carrier, stop): (_, CancellationToken) = (Arc::clone(&carrier), stop.clone());
            Box::new(move |person, before_ms| carrier.carry_out(person, before_ms, &stop))
        };
        runner::run(&shared, partition, || Erasures::new(&topic, carry()), commit, stop);
        // Whoever holds the log now speaks for it.
        Erasures::default().show();
    })
}

fn row(case: &Case, event: &ErasureEvent, revision: u64, outcome: (Option<Uuid>, Option<ErasureRefusal>)) -> Row {
    Row::new(row::TABLE, &ErasureRow::new((revision, event), case, outcome))
}

#[cfg(test)]
mod tests;
