//! The applications of one organisation, and how each command about them is decided. Pure: time is the command's.

use std::collections::BTreeMap;

use schemas::{
    UnixSeconds, VenueId,
    access::covers,
    city::ChannelKind,
    events::{ApplicationAction, ApplicationEvent, ApplicationState, Refusal, Rejection, Submission},
};
use uuid::Uuid;

use super::{place::Place, rules::Rules};

/// One organisation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Organisation {
    applications: BTreeMap<Uuid, Application>,
    /// The latest time of a command: what was over once stays over, whichever gateway's clock is behind.
    now: UnixSeconds,
}

/// An application and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Application {
    /// What was applied for, without what is sealed.
    pub submission: Submission,
    /// How far it is.
    pub state: ApplicationState,
    /// Its venue and the issue number of the code, once approved.
    pub code: Option<(VenueId, u8)>,
    /// The offset of the last command that changed its venue.
    pub revision: u64,
    place: Place,
    /// Commands that were decided, so that one that comes again is known.
    decided: Vec<Uuid>,
}

/// What was decided about a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The application that it is about.
    pub application: Uuid,
    /// Why nothing was done; it was done, when absent.
    pub refused: Option<Refusal>,
    /// Why the application was rejected, if it was by this command.
    pub rejected: Option<Rejection>,
    /// What the reviewer said.
    pub note: Option<String>,
    /// The application that this one repeats.
    pub duplicate_of: Option<Uuid>,
    /// Whether the venue is another one now than before.
    pub venue_changed: bool,
}

/// Why a command cannot be decided at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// No such application here.
    #[error("field `application`: the organisation has no such application")]
    Application,
    /// No such venue here.
    #[error("field `venue`: the organisation was given no such venue")]
    Venue,
}

impl Organisation {
    /// Decides a command; `None` when it was decided before.
    ///
    /// # Errors
    /// When it is about an application or a venue that the organisation does not have.
    pub fn apply(
        &mut self,
        event: &ApplicationEvent,
        revision: u64,
        rules: &Rules,
        next_venue: impl FnOnce() -> Option<VenueId>,
    ) -> Result<Option<Decision>, Unknown> {
        let id = self.subject(event)?;
        if self.applications.get(&id).is_some_and(|known| known.decided.contains(&event.command)) {
            return Ok(None);
        }
        self.now = self.now.max(event.at_ms / 1000);
        let mut decision = Decision {
            application: id,
            refused: None,
            rejected: None,
            note: None,
            duplicate_of: None,
            venue_changed: false,
        };
        if let ApplicationAction::Submit(submission) = &event.action {
            self.submit(submission, revision, rules, next_venue, &mut decision);
        } else if let Some(application) = self.applications.get_mut(&id) {
            application.follow(&event.action, revision, next_venue, &mut decision);
        }
        if let Some(application) = self.applications.get_mut(&id) {
            application.decided.push(event.command);
        }
        Ok(Some(decision))
    }

    /// An application.
    pub fn application(&self, id: &Uuid) -> Option<&Application> {
        self.applications.get(id)
    }

    /// All applications.
    pub fn applications(&self) -> impl Iterator<Item = (&Uuid, &Application)> {
        self.applications.iter()
    }

    /// How many codes it has or has applied for by a channel.
    pub fn count(&self, channel: ChannelKind) -> usize {
        self.live().filter(|(_, application)| application.submission.channel == channel).count()
    }

    /// The application that a command is about.
    fn subject(&self, event: &ApplicationEvent) -> Result<Uuid, Unknown> {
        match event.action {
            ApplicationAction::Submit(_) => Ok(event.command),
            ApplicationAction::Withdraw { application } | ApplicationAction::Review { application, .. } => {
                self.applications.contains_key(&application).then_some(application).ok_or(Unknown::Application)
            }
            ApplicationAction::Revoke { venue, .. } | ApplicationAction::Reissue { venue, .. } => {
                let mut known = self.applications.iter().filter(|(_, known)| known.code.is_some_and(|c| c.0 == venue));
                known.next().map(|(id, _)| *id).ok_or(Unknown::Venue)
            }
        }
    }

    fn submit(
        &mut self,
        submission: &Submission,
        revision: u64,
        rules: &Rules,
        next_venue: impl FnOnce() -> Option<VenueId>,
        decision: &mut Decision,
    ) {
        let place = Place::of(submission, rules.per_door);
        let same = |(_, other): &(&Uuid, &Application)| rules.reject_duplicates && other.place.is_same(&place);
        decision.duplicate_of = self.live().find(same).map(|(id, _)| *id);
        let quota = usize::try_from(rules.quota(submission.channel)).unwrap_or(usize::MAX);
        decision.rejected = if decision.duplicate_of.is_some() {
            Some(Rejection::Duplicate)
        } else if self.count(submission.channel) >= quota {
            Some(Rejection::Quota)
        } else {
            None
        };
        let submission = Submission { sealed: String::new(), ..submission.clone() };
        let (state, code, decided) = (ApplicationState::Submitted, None, Vec::new());
        let mut application = Application { submission, state, code, revision, place, decided };
        if decision.rejected.is_some() {
            application.state = ApplicationState::Rejected;
        } else if !rules.reviewed {
            application.approve(revision, next_venue, decision);
        }
        self.applications.insert(decision.application, application);
    }

    /// What takes up a place and counts against the quota: waiting or approved, and not over.
    fn live(&self) -> impl Iterator<Item = (&Uuid, &Application)> {
        self.applications.iter().filter(|(_, application)| {
            matches!(application.state, ApplicationState::Submitted | ApplicationState::Approved)
                && !application.place.is_over(self.now)
        })
    }
}

impl Application {
    /// Decides a command about an application that is there.
    fn follow(
        &mut self,
        action: &ApplicationAction,
        revision: u64,
        next_venue: impl FnOnce() -> Option<VenueId>,
        decision: &mut Decision,
    ) {
        let outside = |within: Option<u32>| within.is_some_and(|area| !covers(area, self.submission.district));
        decision.refused = match action {
            ApplicationAction::Review { within, .. }
            | ApplicationAction::Revoke { within, .. }
            | ApplicationAction::Reissue { within, .. }
                if outside(*within) =>
            {
                Some(Refusal::OutsideDistrict)
            }
            ApplicationAction::Submit(_) | ApplicationAction::Withdraw { .. } | ApplicationAction::Review { .. } => {
                (self.state != ApplicationState::Submitted).then_some(Refusal::AlreadyDecided)
            }
            ApplicationAction::Revoke { .. } | ApplicationAction::Reissue { .. } => {
                (self.state != ApplicationState::Approved).then_some(Refusal::NotInUse)
            }
        };
        if decision.refused.is_some() {
            return;
        }
        match action {
            ApplicationAction::Submit(_) => {}
            ApplicationAction::Withdraw { .. } => self.state = ApplicationState::Withdrawn,
            ApplicationAction::Review { rejected, note, .. } => {
                decision.note.clone_from(note);
                match rejected {
                    Some(reason) => {
                        decision.rejected = Some(*reason);
                        self.state = ApplicationState::Rejected;
                    }
                    None => self.approve(revision, next_venue, decision),
                }
            }
            ApplicationAction::Revoke { .. } => {
                self.state = ApplicationState::Revoked;
                self.change(revision, decision);
            }
            ApplicationAction::Reissue { .. } => {
                match self.code.and_then(|(id, serial)| Some((id, serial.checked_add(1)?))) {
                    Some(code) => {
                        self.code = Some(code);
                        self.change(revision, decision);
                    }
                    None => decision.refused = Some(Refusal::SerialsUsedUp),
                }
            }
        }
    }

    fn approve(&mut self, revision: u64, next_venue: impl FnOnce() -> Option<VenueId>, decision: &mut Decision) {
        match next_venue() {
            Some(venue) => {
                self.code = Some((venue, 0));
                self.state = ApplicationState::Approved;
                self.change(revision, decision);
            }
            None => {
                decision.rejected = Some(Rejection::NumbersUsedUp);
                self.state = ApplicationState::Rejected;
            }
        }
    }

    const fn change(&mut self, revision: u64, decision: &mut Decision) {
        self.revision = revision;
        decision.venue_changed = true;
    }
}

#[cfg(test)]
mod tests;
