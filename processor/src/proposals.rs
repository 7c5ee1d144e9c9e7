//! Bulk changes of health codes: what one account has made takes effect when another one has released it.
//!
//! A [`Machine`] over the topic `health-proposals`, whose key is the proposal: one partition has all that is said about a
//! bulk change in one order, so that it is released once and never by its maker, whichever process dies or doubles a
//! message. [`case`] decides about one; here what is released leaves for the topic `health`, and each step becomes a row.

pub mod case;
pub mod gauges;
mod row;

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use hashbrown::HashMap;
use schemas::{
    Erased, HealthEvent, ProposalEvent,
    events::{ProposalAction, ProposalRefusal},
};
use uuid::Uuid;

use self::{
    case::{Asked, Case},
    gauges::Gauges,
    row::CaseRow,
};
use crate::{
    deed::Deed,
    machine::{Machine, Message, Outputs, Record, Row, runner},
    workers::Job,
};

/// Most changes that wait for their release in one partition; they are held in memory, at about 300 bytes each.
const MAX_WAITING: usize = 200_000;
/// How long parts wait for the record that proposes them, in milliseconds.
const PARTS_WAIT_MS: i64 = 24 * 3600 * 1000;
/// How long a bulk change is remembered, in milliseconds: as long as its records are kept.
const REMEMBERED_MS: i64 = 31 * 24 * 3600 * 1000;

/// The bulk changes of one partition.
pub struct Proposals {
    health_topic: String,
    max_waiting: usize,
    gauges: Option<Gauges>,
    cases: HashMap<Uuid, Case>,
    /// Until when the changes of a case are held at most.
    held_until: BTreeSet<(i64, Uuid)>,
    /// When each case began, in the order of the log.
    begun: VecDeque<(i64, Uuid)>,
    /// Changes that are held.
    waiting: usize,
    /// Whose changes do not take effect.
    erased: Arc<Erased>,
}

impl Proposals {
    /// None yet; what is released goes to `health_topic`, and at most `max_waiting` changes wait. With gauges it shows how
    /// many bulk changes do, and since when.
    pub fn new(health_topic: &str, max_waiting: usize, gauges: Option<Gauges>) -> Self {
        Self {
            health_topic: health_topic.to_owned(),
            max_waiting,
            gauges,
            cases: HashMap::new(),
            held_until: BTreeSet::new(),
            begun: VecDeque::new(),
            waiting: 0,
            erased: Arc::default(),
        }
    }

    /// A bulk change.
    pub fn case(&self, proposal: Uuid) -> Option<&Case> {
        self.cases.get(&proposal)
    }

    /// Changes that are held until their release.
    pub const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Applies an event to its case and keeps account of what is held.
    fn apply_to_case(&mut self, event: ProposalEvent, revision: u64) -> Result<Outputs, String> {
        let proposal = event.proposal;
        let begins = matches!(event.action, ProposalAction::Part { .. });
        if begins && !self.cases.contains_key(&proposal) {
            self.begun.push_back((event.at_ms, proposal));
            self.cases.insert(proposal, Case::new(event.at_ms.saturating_add(PARTS_WAIT_MS)));
        }
        let unknown = "field `proposal`: there is no such bulk change, or it has expired";
        let case = self.cases.get_mut(&proposal).ok_or(unknown)?;
        let (held, until_ms) = (case.held(), case.held_until_ms);
        let room = self.max_waiting.saturating_sub(self.waiting);
        let outputs = step(case, event, revision, room, (&self.health_topic, &self.erased));
        self.waiting = self.waiting + case.held() - held;
        self.held_until.remove(&(until_ms, proposal));
        if case.held() > 0 {
            self.held_until.insert((case.held_until_ms, proposal));
        }
        outputs
    }

    /// Lets go of changes whose time is over, and forgets what began so long ago that nothing more can come of it.
    fn forget(&mut self, now_ms: i64) {
        while let Some((until_ms, proposal)) = self.held_until.first().copied()
            && until_ms <= now_ms
        {
            self.held_until.pop_first();
            if let Some(case) = self.cases.get_mut(&proposal) {
                self.waiting -= case.held();
                case.expire();
            }
        }
        while let Some((begun_ms, proposal)) = self.begun.front().copied()
            && begun_ms.saturating_add(REMEMBERED_MS) < now_ms
        {
            self.begun.pop_front();
            if let Some(case) = self.cases.remove(&proposal) {
                self.waiting -= case.held();
                self.held_until.remove(&(case.held_until_ms, proposal));
            }
        }
    }
}

impl Machine for Proposals {
    const LOG_EXPIRES: bool = true;
    const OF_PEOPLE: bool = true;

    fn leave_out(&mut self, erased: &Arc<Erased>) {
        self.erased = Arc::clone(erased);
    }

    fn apply(&mut self, record: &Record<'_>) -> Result<Outputs, String> {
        let event = ProposalEvent::try_parse(record.value).map_err(|error| error.to_string())?;
        if record.key != event.proposal.to_string().as_bytes() {
            return Err("field `proposal`: is not the key of the message".to_owned());
        }
        self.forget(event.at_ms);
        self.apply_to_case(event, record.offset)
    }

    fn due(&mut self, now_ms: i64) -> Vec<Message> {
        if let Some(gauges) = &self.gauges {
            let held = self.held_until.iter().filter_map(|(_, proposal)| self.cases.get(proposal));
            gauges.show(held, now_ms);
        }
        Vec::new()
    }
}

/// What runs a partition of bulk changes.
pub fn job(shared: runner::Shared) -> Job {
    let topic = shared.kafka.topics().health;
    Arc::new(move |partition, commit, stop| {
        let proposals = || Proposals::new(&topic, MAX_WAITING, Some(Gauges::of(partition)));
        runner::run(&shared, partition, proposals, commit, stop);
        // Whoever holds the partition now speaks for it.
        Gauges::of(partition).clear();
    })
}

/// What an event does to its case.
fn step(
    case: &mut Case,
    mut event: ProposalEvent,
    revision: u64,
    room: usize,
    (health_topic, erased): (&str, &Erased),
) -> Result<Outputs, String> {
    let deed = |by: &String| Deed { by: by.clone(), at_ms: event.at_ms };
    match &mut event.action {
        ProposalAction::Part { part, changes } => {
            case.gather(*part, std::mem::take(changes), room);
            Ok(Outputs::default())
        }
        ProposalAction::Propose { parts, digest, expires_at_ms, by } => {
            if !case.propose(deed(by), *parts, digest.clone(), *expires_at_ms)? {
                return Ok(Outputs::default());
            }
            let refused = case.made.as_ref().and_then(|made| made.refused);
            Ok(Outputs { messages: Vec::new(), rows: row(case, &event, revision, refused) })
        }
        ProposalAction::Release { command, digest, by } => {
            let asked = Asked { proposal: event.proposal, command: *command, digest };
            let decided = match case.release(deed(by), asked) {
                Some(decided) => decided,
                None if case.made.is_some() => return Ok(Outputs::default()),
                None => return Err("field `proposal`: it is not proposed yet".to_owned()),
            };
            let (changes, refused) = decided.map_or_else(|refusal| (Vec::new(), Some(refusal)), |all| (all, None));
            // What was asked for before somebody was erased does not set a colour after it.
            let made_at_ms = case.made.as_ref().map_or(0, |made| made.deed.at_ms);
            let changes = changes.iter().filter(|change| !erased.has(change.person, made_at_ms));
            let messages = changes.map(|change| message(health_topic, change)).collect();
            Ok(Outputs { messages, rows: row(case, &event, revision, refused) })
        }
    }
}

fn message(topic: &str, change: &HealthEvent) -> Message {
    Message::new(topic, change.person.to_string(), change)
}

fn row(case: &Case, event: &ProposalEvent, revision: u64, refused: Option<ProposalRefusal>) -> Vec<Row> {
    let (command, by) = match &event.action {
        ProposalAction::Part { .. } => return Vec::new(),
        ProposalAction::Propose { by, .. } => (None, by),
        ProposalAction::Release { command, by, .. } => (Some(*command), by),
    };
    let Some(made) = &case.made else { return Vec::new() };
    vec![Row::new(row::TABLE, &CaseRow::new((revision, event), case, made, (command, by, refused)))]
}

#[cfg(test)]
mod tests;
