//! One erasure: asked for, then confirmed or declined by somebody else, then carried out. Pure: time is the record's.

use schemas::{
    PersonDigest, PersonKey,
    events::{ErasureAsk, ErasureBasis, ErasureDeclineReason, ErasureRefusal, ErasureState, Grounds, Remains, Removed},
};
use uuid::Uuid;

use crate::deed::Deed;

/// Commands about one erasure that are remembered; it takes one.
const MAX_COMMANDS: usize = 100;

/// An erasure and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Who, while it is known.
    pub person: Option<PersonKey>,
    /// Who, for whoever has the person's key.
    pub digest: PersonDigest,
    /// On what basis.
    pub basis: ErasureBasis,
    /// What shows it.
    pub evidence: String,
    /// Who asked.
    pub asked: Deed,
    /// From when it can no longer be confirmed, in milliseconds since 1970.
    pub expires_at_ms: i64,
    /// Who confirmed it, and before when the person goes.
    pub confirmed: Option<Deed>,
    /// Whether the owner of the log has written down that it is confirmed: from then on the person is left out.
    pub is_written: bool,
    /// Who declined it, and why.
    pub declined: Option<(Deed, ErasureDeclineReason)>,
    /// When it lapsed, in milliseconds since 1970.
    pub lapsed_at_ms: Option<i64>,
    /// What came of it.
    pub done: Option<Done>,
    /// Commands that were decided, so that one that comes again is known.
    commands: Vec<Uuid>,
}

/// What came of an erasure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// When it was carried out, in milliseconds since 1970.
    pub at_ms: i64,
    /// What was removed from tables.
    pub removed: Vec<Removed>,
    /// Where bytes may still be.
    pub remains: Vec<Remains>,
}

/// What became of a command: `None` when it was decided before.
pub type Decided = Option<Result<(), ErasureRefusal>>;

impl Case {
    /// What somebody has asked for.
    pub fn new(asked: Deed, ask: ErasureAsk) -> Self {
        let ErasureAsk { by: _, person, basis, evidence, expires_at_ms } = ask;
        let digest = PersonDigest::of(person);
        let commands = Vec::new();
        let (confirmed, declined, lapsed_at_ms, done) = (None, None, None, None);
        let person = Some(person);
        Self {
            person,
            digest,
            basis,
            evidence,
            asked,
            expires_at_ms,
            confirmed,
            is_written: false,
            declined,
            lapsed_at_ms,
            done,
            commands,
        }
    }

    /// What was confirmed, of which no more is left in the log than this.
    pub fn of(grounds: &Grounds) -> Self {
        let Grounds { digest, before_ms, basis, evidence, asked_by, asked_at_ms, expires_at_ms, confirmed_by } =
            grounds.clone();
        Self {
            person: None,
            digest,
            basis,
            evidence,
            asked: Deed { by: asked_by, at_ms: asked_at_ms },
            expires_at_ms,
            confirmed: Some(Deed { by: confirmed_by, at_ms: before_ms }),
            is_written: true,
            declined: None,
            lapsed_at_ms: None,
            done: None,
            commands: Vec::new(),
        }
    }

    /// How far it is.
    pub const fn state(&self) -> ErasureState {
        match (&self.done, &self.confirmed, &self.declined, self.lapsed_at_ms) {
            (Some(_), ..) => ErasureState::Done,
            (None, Some(_), ..) => ErasureState::Confirmed,
            (None, None, Some(_), _) => ErasureState::Declined,
            (None, None, None, Some(_)) => ErasureState::Lapsed,
            (None, None, None, None) => ErasureState::Asked,
        }
    }

    /// Since when nothing more is to be done about it, in milliseconds since 1970.
    pub fn over_since_ms(&self) -> Option<i64> {
        let declined = self.declined.as_ref().map(|(deed, _)| deed.at_ms);
        self.done.as_ref().map(|done| done.at_ms).or(declined).or(self.lapsed_at_ms)
    }

    /// All that is to be known of it once it is confirmed, without whom it is of.
    pub fn grounds(&self) -> Option<Grounds> {
        let confirmed = self.confirmed.as_ref()?;
        Some(Grounds {
            digest: self.digest,
            before_ms: confirmed.at_ms,
            basis: self.basis,
            evidence: self.evidence.clone(),
            asked_by: self.asked.by.clone(),
            asked_at_ms: self.asked.at_ms,
            expires_at_ms: self.expires_at_ms,
            confirmed_by: confirmed.by.clone(),
        })
    }

    /// Takes what the owner of the log wrote down, which counts from then on; of several times the latest.
    pub fn write(&mut self, grounds: &Grounds) {
        match &mut self.confirmed {
            Some(deed) if self.is_written => deed.at_ms = deed.at_ms.max(grounds.before_ms),
            Some(deed) => deed.at_ms = grounds.before_ms,
            None => *self = Self::of(grounds),
        }
        self.is_written = true;
    }

    /// Lets it happen to whoever has one of these digests.
    pub fn confirm(&mut self, command: Uuid, deed: Deed, digests: &[PersonDigest]) -> Decided {
        let refusal = if deed.by == self.asked.by {
            Some(ErasureRefusal::OwnRequest)
        } else {
            (!digests.contains(&self.digest)).then_some(ErasureRefusal::OtherPerson)
        };
        let outcome = self.decide(command, deed.at_ms, refusal)?;
        if outcome.is_ok() {
            self.confirmed = Some(deed);
        }
        Some(outcome)
    }

    /// Does not let it happen; who asked may also think better of it.
    pub fn decline(&mut self, command: Uuid, deed: Deed, reason: ErasureDeclineReason) -> Decided {
        let outcome = self.decide(command, deed.at_ms, None)?;
        if outcome.is_ok() {
            self.declined = Some((deed, reason));
            self.person = None;
        }
        Some(outcome)
    }

    /// Whether it waited for too long.
    pub fn has_lapsed(&self, now_ms: i64) -> bool {
        self.state() == ErasureState::Asked && self.expires_at_ms <= now_ms
    }

    /// Lets it lapse; whether it was still waiting.
    pub fn lapse(&mut self, at_ms: i64) -> bool {
        let lapses = self.has_lapsed(at_ms);
        if lapses {
            self.lapsed_at_ms = Some(at_ms);
            self.person = None;
        }
        lapses
    }

    /// Takes what came of it; whether it is the first to be told.
    pub fn finish(&mut self, at_ms: i64, removed: Vec<Removed>, remains: Vec<Remains>) -> bool {
        let is_first = self.done.is_none();
        if is_first {
            self.done = Some(Done { at_ms, removed, remains });
            self.person = None;
        }
        is_first
    }

    fn decide(&mut self, command: Uuid, at_ms: i64, refusal: Option<ErasureRefusal>) -> Decided {
        if self.commands.contains(&command) {
            return None;
        }
        if self.commands.len() >= MAX_COMMANDS {
            return Some(Err(ErasureRefusal::TooManyCommands));
        }
        self.commands.push(command);
        Some(match self.state() {
            _ if refusal == Some(ErasureRefusal::OwnRequest) => Err(ErasureRefusal::OwnRequest),
            ErasureState::Lapsed => Err(ErasureRefusal::Expired),
            ErasureState::Asked if at_ms >= self.expires_at_ms => Err(ErasureRefusal::Expired),
            ErasureState::Asked => refusal.map_or(Ok(()), Err),
            _ => Err(ErasureRefusal::AlreadyDecided),
        })
    }
}
