//! One reminder and what becomes of it: sent, answered, settled. Pure: time is the record's.

use schemas::{
    ReminderEvent, VenueId,
    events::{ReminderAction, ReminderMatter, ReminderOutcome, ReminderRefusal, ReminderReply, ReminderState, Sending},
};
use uuid::Uuid;

/// Answers to one reminder that are taken; one is enough, and who is mending it may say so again.
const MAX_ANSWERS: usize = 20;

/// What is reminded of in a district: the same is not reminded of twice at a time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct About {
    district: u32,
    matter: ReminderMatter,
    target: Target,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Target {
    Venue(VenueId),
    Organisation(String),
}

/// A reminder and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What was sent.
    pub sending: Sending,
    /// Its district.
    pub district: u32,
    /// When it was sent, in milliseconds since 1970.
    pub sent_at_ms: i64,
    /// How often the same was reminded of by then, this time included; of one that was refused not included.
    pub times: u32,
    /// The one that is open in its place, if it was refused.
    pub open_instead: Option<Uuid>,
    /// How far it is.
    pub state: ReminderState,
    /// When it was found that nobody had settled it by its day.
    pub escalated_at_ms: Option<i64>,
    /// The last answer.
    pub answered: Option<(Deed, ReminderReply)>,
    /// Who said what came of it, and what.
    pub settled: Option<(Deed, ReminderOutcome)>,
    /// Answers that were decided, so that one that comes again is known.
    answers: Vec<Uuid>,
    /// The same of commands that would settle it.
    settlements: Vec<Uuid>,
}

/// Who did something, when, and what was said to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// Account.
    pub by: String,
    /// In milliseconds since 1970.
    pub at_ms: i64,
    /// Note.
    pub note: Option<String>,
}

/// What became of a command: `None` when it was decided before.
type Decided = Option<Result<(), ReminderRefusal>>;

/// What a record did to a reminder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// The command, unless it was none.
    pub command: Option<Uuid>,
    /// Who sent it.
    pub by: String,
    /// The word and the note that it came with.
    pub said: (&'static str, Option<String>),
    /// Why nothing was done; it was done, when absent.
    pub refused: Option<ReminderRefusal>,
}

impl About {
    /// What a reminder is about.
    pub fn of(district: u32, sending: &Sending) -> Self {
        let of_organisation = || Target::Organisation(sending.organisation.clone());
        Self { district, matter: sending.matter, target: sending.venue.map_or_else(of_organisation, Target::Venue) }
    }
}

impl Step {
    /// What the record did that a reminder came with.
    pub fn of_sending(case: &Case) -> Self {
        let refused = case.open_instead.map(|_| ReminderRefusal::AlreadyOpen);
        Self { command: None, by: case.sending.by.clone(), said: ("", None), refused }
    }

    fn of_command(
        (command, by): (Uuid, &str),
        (word, note): (&'static str, &Option<String>),
        refused: Option<ReminderRefusal>,
    ) -> Self {
        Self { command: Some(command), by: by.to_owned(), said: (word, note.clone()), refused }
    }
}

impl Case {
    /// A reminder that was sent.
    pub fn sent(sending: &Sending, event: &ReminderEvent, times: u32) -> Self {
        Self {
            sending: sending.clone(),
            district: event.district,
            sent_at_ms: event.at_ms,
            times,
            open_instead: None,
            state: ReminderState::Sent,
            escalated_at_ms: None,
            answered: None,
            settled: None,
            answers: Vec::new(),
            settlements: Vec::new(),
        }
    }

    /// One that was not, since another one is open.
    pub fn refused(sending: &Sending, event: &ReminderEvent, times: u32, open: Uuid) -> Self {
        let case = Self::sent(sending, event, times);
        Self { open_instead: Some(open), state: ReminderState::Refused, ..case }
    }

    /// When it becomes overdue, in milliseconds since 1970.
    pub const fn due_at_ms(&self) -> i64 {
        self.sending.due_at.saturating_mul(1000)
    }

    /// Whether the sender of a command may know of the reminder: an organisation of what was sent to it, an office of all.
    pub fn is_known_to(&self, action: &ReminderAction) -> bool {
        match action {
            ReminderAction::Answer { organisation, .. } => {
                self.state != ReminderState::Refused && *organisation == self.sending.organisation
            }
            _ => true,
        }
    }

    /// Carries out a command or refuses it; `None` when it is none, or was decided before.
    pub fn follow(&mut self, action: &ReminderAction, at_ms: i64) -> Option<Step> {
        match action {
            ReminderAction::Answer { command, by, reply, note, .. } => {
                let decided = self.answer(*command, *reply, Deed { by: by.clone(), at_ms, note: note.clone() })?;
                Some(Step::of_command((*command, by), (reply.as_str(), note), decided.err()))
            }
            ReminderAction::Settle { command, by, outcome, note, .. } => {
                let decided = self.settle(*command, *outcome, Deed { by: by.clone(), at_ms, note: note.clone() })?;
                Some(Step::of_command((*command, by), (outcome.as_str(), note), decided.err()))
            }
            ReminderAction::Send(_) | ReminderAction::Escalate { .. } => None,
        }
    }

    /// Takes an answer; the last one holds.
    fn answer(&mut self, command: Uuid, reply: ReminderReply, deed: Deed) -> Decided {
        if self.answers.contains(&command) {
            return None;
        }
        if self.answers.len() >= MAX_ANSWERS {
            // Not remembered either: who goes on sending fills no memory.
            return Some(Err(ReminderRefusal::TooManyAnswers));
        }
        self.answers.push(command);
        if self.state == ReminderState::Settled {
            return Some(Err(ReminderRefusal::AlreadySettled));
        }
        (self.state, self.answered) = (ReminderState::Answered, Some((deed, reply)));
        Some(Ok(()))
    }

    /// Settles it; the first time counts.
    fn settle(&mut self, command: Uuid, outcome: ReminderOutcome, deed: Deed) -> Decided {
        if self.settlements.contains(&command) {
            return None;
        }
        if self.settlements.len() < MAX_ANSWERS {
            self.settlements.push(command);
        }
        match self.state {
            ReminderState::Refused => return Some(Err(ReminderRefusal::NotSent)),
            ReminderState::Settled => return Some(Err(ReminderRefusal::AlreadySettled)),
            ReminderState::Sent | ReminderState::Answered => {}
        }
        (self.state, self.settled) = (ReminderState::Settled, Some((deed, outcome)));
        Some(Ok(()))
    }
}
