//! One bulk change: gathered part by part, proposed by its maker, released by somebody else. Pure: time is the record's.

use std::collections::BTreeMap;

use schemas::{
    Colour, HealthEvent, ProposalEvent,
    events::{ProposalRefusal, ProposalState, Release},
};
use uuid::Uuid;

use crate::deed::Deed;

/// A bulk change and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What was proposed; none while parts are still coming.
    pub made: Option<Made>,
    /// Who let it happen.
    pub released: Option<Deed>,
    /// Until when its changes are held at most, in milliseconds since 1970.
    pub held_until_ms: i64,
    /// The changes, while they wait.
    parts: BTreeMap<u32, Vec<HealthEvent>>,
    /// Whether there was no room for a part.
    overfull: bool,
    /// Whether the changes were let go of because their time was over.
    expired: bool,
    /// Commands that were decided, so that one that comes again is known.
    decided: Vec<Uuid>,
}

/// What was proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// By whom.
    pub deed: Deed,
    /// Digest of all changes.
    pub digest: String,
    /// From when it can no longer be released.
    pub expires_at_ms: i64,
    /// How many changes there are.
    pub changes: usize,
    /// How many of them to yellow.
    pub yellow: usize,
    /// How many of them to red.
    pub red: usize,
    /// Whether it was refused at once.
    pub refused: Option<ProposalRefusal>,
}

/// A release as it was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'r> {
    /// The bulk change.
    pub proposal: Uuid,
    /// Identity of the command.
    pub command: Uuid,
    /// Digest of what the checker sent.
    pub digest: &'r str,
}

impl Case {
    /// A case without parts, which are held until a time at most.
    pub const fn new(held_until_ms: i64) -> Self {
        Self {
            made: None,
            released: None,
            held_until_ms,
            parts: BTreeMap::new(),
            overfull: false,
            expired: false,
            decided: Vec::new(),
        }
    }

    /// How many changes it holds.
    pub fn held(&self) -> usize {
        self.parts.values().map(Vec::len).sum()
    }

    /// How far it is; none while parts are still coming.
    pub fn state(&self) -> Option<ProposalState> {
        let made = self.made.as_ref()?;
        Some(match (&made.refused, &self.released) {
            (Some(_), _) => ProposalState::Refused,
            (None, Some(_)) => ProposalState::Released,
            (None, None) => ProposalState::Proposed,
        })
    }

    /// When it was made, in milliseconds since 1970, if it can still be released.
    pub fn open_since_ms(&self, now_ms: i64) -> Option<i64> {
        let made = self.made.as_ref().filter(|made| now_ms < made.expires_at_ms)?;
        (self.state() == Some(ProposalState::Proposed) && !self.expired).then_some(made.deed.at_ms)
    }

    /// Takes a part, unless it is there already, all was said, or there is no room for so many changes.
    pub fn gather(&mut self, part: u32, changes: Vec<HealthEvent>, room: usize) {
        if self.made.is_some() || self.expired || self.parts.contains_key(&part) {
            return;
        }
        if changes.len() > room {
            self.overfull = true;
            self.parts.clear();
        } else if !self.overfull {
            self.parts.insert(part, changes);
        }
    }

    /// Takes the word that all parts are there; `false` when it was said before.
    ///
    /// # Errors
    /// When they are not all there, or are not what was meant. Nothing has changed then.
    pub fn propose(&mut self, deed: Deed, parts: u32, digest: String, expires_at_ms: i64) -> Result<bool, String> {
        if self.made.is_some() {
            return Ok(false);
        }
        if !self.overfull {
            if !self.parts.keys().copied().eq(0..parts) {
                return Err("field `parts`: not all of them are there, or they have expired".to_owned());
            }
            if ProposalEvent::digest(self.parts.values().flatten()) != digest {
                return Err("field `digest`: is not that of the parts".to_owned());
            }
        }
        let count = |colour| self.parts.values().flatten().filter(|change| change.colour == colour).count();
        let (changes, yellow, red) = (self.held(), count(Colour::Yellow), count(Colour::Red));
        let refused = self.overfull.then_some(ProposalRefusal::TooManyWaiting);
        self.made = Some(Made { deed, digest, expires_at_ms, changes, yellow, red, refused });
        self.held_until_ms = expires_at_ms;
        Ok(true)
    }

    /// Decides a release: the changes that are in force by it, or why none are. `None` when nothing was proposed, or the
    /// command was decided before.
    pub fn release(&mut self, deed: Deed, asked: Asked<'_>) -> Option<Result<Vec<HealthEvent>, ProposalRefusal>> {
        let made = self.made.as_ref()?;
        if self.decided.contains(&asked.command) {
            return None;
        }
        self.decided.push(asked.command);
        if let Some(refusal) = self.refusal(made, &deed, asked.digest) {
            return Some(Err(refusal));
        }
        let release = Release { proposal: asked.proposal, by: deed.by.clone() };
        self.released = Some(deed);
        let changes = std::mem::take(&mut self.parts).into_values().flatten();
        Some(Ok(changes.map(|change| HealthEvent { release: Some(release.clone()), ..change }).collect()))
    }

    fn refusal(&self, made: &Made, deed: &Deed, digest: &str) -> Option<ProposalRefusal> {
        if made.refused.is_some() {
            return made.refused;
        }
        if self.released.is_some() {
            return Some(ProposalRefusal::AlreadyReleased);
        }
        if self.expired || deed.at_ms >= made.expires_at_ms {
            return Some(ProposalRefusal::Expired);
        }
        if deed.by == made.deed.by {
            return Some(ProposalRefusal::OwnProposal);
        }
        (digest != made.digest).then_some(ProposalRefusal::OtherChanges)
    }

    /// Lets go of the changes: their time is over.
    pub fn expire(&mut self) {
        self.expired = true;
        self.parts.clear();
    }
}
