//! One release: asked for, then released or declined by somebody else, or taken back. Pure: time is the record's.

use schemas::events::{Asking, DeclineReason, ReleaseRefusal, ReleaseState};
use uuid::Uuid;

use crate::deed::Deed;

/// Commands about one release that are remembered; it takes two.
const MAX_COMMANDS: usize = 100;

/// A release and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What was asked for.
    pub asking: Asking,
    /// Who asked.
    pub asked: Deed,
    /// Who released or declined it.
    pub decided: Option<Deed>,
    /// Why it was declined, if it was.
    pub declined_for: Option<DeclineReason>,
    /// Who took it back.
    pub withdrawn: Option<Deed>,
    /// Until it is released: until when it can be. Then: until when it holds.
    pub expires_at_ms: i64,
    /// Commands that were decided, so that one that comes again is known.
    commands: Vec<Uuid>,
}

/// What became of a command: `None` when it was decided before.
pub type Decided = Option<Result<(), ReleaseRefusal>>;

/// Whether there was room to remember a command.
struct Memory {
    is_full: bool,
}

impl Case {
    /// What somebody has asked for.
    pub const fn new(asked: Deed, asking: Asking) -> Self {
        let expires_at_ms = asking.expires_at_ms;
        Self { asking, asked, decided: None, declined_for: None, withdrawn: None, expires_at_ms, commands: Vec::new() }
    }

    /// How far it is.
    pub const fn state(&self) -> ReleaseState {
        match (&self.withdrawn, &self.decided, self.declined_for) {
            (Some(_), ..) => ReleaseState::Withdrawn,
            (None, Some(_), Some(_)) => ReleaseState::Declined,
            (None, Some(_), None) => ReleaseState::Released,
            (None, None, _) => ReleaseState::Asked,
        }
    }

    /// Lets it happen, until a time.
    pub fn release(&mut self, command: Uuid, deed: Deed, expires_at_ms: i64) -> Decided {
        let outcome = self.decide(command, deed)?;
        if outcome.is_ok() {
            self.expires_at_ms = expires_at_ms;
        }
        Some(outcome)
    }

    /// Does not let it happen.
    pub fn decline(&mut self, command: Uuid, deed: Deed, reason: DeclineReason) -> Decided {
        let outcome = self.decide(command, deed)?;
        if outcome.is_ok() {
            self.declined_for = Some(reason);
        }
        Some(outcome)
    }

    /// Takes it back, however many commands there were: what nobody could take back would go on being read by.
    pub fn withdraw(&mut self, command: Uuid, deed: Deed, by_supervisor: bool) -> Decided {
        self.is_new(command)?;
        if deed.by != self.asked.by && !by_supervisor {
            return Some(Err(ReleaseRefusal::NotOwn));
        }
        if !matches!(self.state(), ReleaseState::Asked | ReleaseState::Released) {
            return Some(Err(ReleaseRefusal::AlreadyDecided));
        }
        self.withdrawn = Some(deed);
        Some(Ok(()))
    }

    fn decide(&mut self, command: Uuid, deed: Deed) -> Decided {
        if self.is_new(command)?.is_full {
            return Some(Err(ReleaseRefusal::TooManyCommands));
        }
        if deed.by == self.asked.by {
            return Some(Err(ReleaseRefusal::OwnRequest));
        }
        if self.state() != ReleaseState::Asked {
            return Some(Err(ReleaseRefusal::AlreadyDecided));
        }
        if deed.at_ms >= self.expires_at_ms {
            return Some(Err(ReleaseRefusal::Expired));
        }
        self.decided = Some(deed);
        Some(Ok(()))
    }

    /// Remembers a command, as long as there is room; none when it was decided before.
    fn is_new(&mut self, command: Uuid) -> Option<Memory> {
        if self.commands.contains(&command) {
            return None;
        }
        let is_full = self.commands.len() >= MAX_COMMANDS;
        if !is_full {
            self.commands.push(command);
        }
        Some(Memory { is_full })
    }
}
