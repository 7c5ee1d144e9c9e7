//! One alert and what becomes of it: raised, acknowledged, disposed of. Pure: time is the record's.

use schemas::{
    UnixSeconds,
    events::{AlertAction, AlertRefusal, AlertState, Disposition, Raised},
};
use uuid::Uuid;

use crate::deed::Deed;

/// An alert and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What was seen.
    pub raised: Raised,
    /// District of the venue.
    pub district: u32,
    /// When it was raised, in milliseconds since 1970.
    pub raised_at_ms: i64,
    /// How far it is.
    pub state: AlertState,
    /// When it was found that nobody had acknowledged it in time.
    pub escalated_at_ms: Option<i64>,
    /// Who looks after it.
    pub acknowledged: Option<Deed>,
    /// Who said what became of the person, and what.
    pub disposed: Option<(Deed, Disposition)>,
    /// Commands that were decided, so that one that comes again is known.
    decided: Vec<Uuid>,
}

/// What a record did to a case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// The command, unless it was none.
    pub command: Option<Uuid>,
    /// Who sent it.
    pub by: String,
    /// Why nothing was done; it was done, when absent.
    pub refused: Option<AlertRefusal>,
}

impl Case {
    /// A case that nobody has acknowledged yet.
    pub fn new(raised: &Raised, district: u32, raised_at_ms: i64) -> Self {
        Self {
            raised: raised.clone(),
            district,
            raised_at_ms,
            state: AlertState::Raised,
            escalated_at_ms: None,
            acknowledged: None,
            disposed: None,
            decided: Vec::new(),
        }
    }

    /// The oldest time that it tells of: of the scan, or of the alert itself.
    pub fn oldest(&self) -> UnixSeconds {
        self.raised.scanned_at.min(self.raised_at_ms / 1000)
    }

    /// Carries out a command or refuses it; `None` when it is none, or was decided before.
    pub fn follow(&mut self, action: &AlertAction, at_ms: i64) -> Option<Step> {
        let (AlertAction::Acknowledge { command, by, .. } | AlertAction::Dispose { command, by, .. }) = action else {
            return None;
        };
        if self.decided.contains(command) {
            return None;
        }
        self.decided.push(*command);
        let deed = Deed { by: by.clone(), at_ms };
        let refused = match (action, self.state) {
            (_, AlertState::Disposed) => Some(AlertRefusal::AlreadyDisposed),
            (AlertAction::Dispose { .. }, AlertState::Raised) => Some(AlertRefusal::NotAcknowledged),
            (AlertAction::Dispose { disposition, .. }, AlertState::Acknowledged) => {
                (self.state, self.disposed) = (AlertState::Disposed, Some((deed, *disposition)));
                None
            }
            (_, AlertState::Acknowledged) => Some(AlertRefusal::AlreadyAcknowledged),
            (_, AlertState::Raised) => {
                (self.state, self.acknowledged) = (AlertState::Acknowledged, Some(deed));
                None
            }
        };
        Some(Step { command: Some(*command), by: by.clone(), refused })
    }
}
