//! Bulk changes of health codes: made by one account, released by another.
//!
//! What is made waits here, in the log; nothing of it is in force before its release. The fold of a proposal's records
//! decides, so that it is decided once, whoever sends what twice and whichever process dies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{EventError, HealthEvent, Versioned, check_time, read};

/// One record about a bulk change. Topic `health-proposals`, key: proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProposalEvent {
    /// Message version.
    pub v: u8,
    /// The bulk change.
    pub proposal: Uuid,
    /// When the gateway took it, in milliseconds since 1970.
    pub at_ms: i64,
    /// What it says.
    pub action: ProposalAction,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ProposalAction {
    /// Some of the changes. Means nothing until all parts are there and proposed.
    Part {
        /// Number of the part, from 0. The same part may come more than once.
        part: u32,
        /// The changes, without a release.
        changes: Vec<HealthEvent>,
    },
    /// All parts are there: the changes are proposed.
    Propose {
        /// How many parts there are.
        parts: u32,
        /// [`ProposalEvent::digest`] of all changes.
        digest: String,
        /// From when they can no longer be released, in milliseconds since 1970.
        expires_at_ms: i64,
        /// Account of the maker (`sub` of the token).
        by: String,
    },
    /// Another account has sent the same changes: they are to be in force.
    Release {
        /// Identity of the command. Sent again, it is still one.
        command: Uuid,
        /// [`ProposalEvent::digest`] of what the checker sent.
        digest: String,
        /// Account of the checker (`sub` of the token).
        by: String,
    },
}

words! {
    /// How far a bulk change is.
    ProposalState {
        /// Waits for its release.
        Proposed = "proposed",
        /// Its changes are in force.
        Released = "released",
        /// Was not taken.
        Refused = "refused",
    }
}

words! {
    /// Why a bulk change or its release was refused.
    ProposalRefusal {
        /// Who made a bulk change does not release it.
        OwnProposal = "own_proposal",
        /// The checker sent other changes than the maker.
        OtherChanges = "other_changes",
        /// The time for its release is over.
        Expired = "expired",
        /// It was released before.
        AlreadyReleased = "already_released",
        /// Too many changes wait for their release.
        TooManyWaiting = "too_many_waiting",
    }
}

impl Versioned for ProposalEvent {
    fn v(&self) -> u8 {
        self.v
    }
}

impl ProposalEvent {
    /// Reads and checks a message.
    ///
    /// # Errors
    /// When it is no record of a version known here, or a field holds what cannot be.
    pub fn try_parse(message: &[u8]) -> Result<Self, EventError> {
        let event: Self = read(message)?;
        check_time("at_ms", event.at_ms / 1000)?;
        match &event.action {
            ProposalAction::Part { changes, .. } => changes.iter().try_for_each(HealthEvent::check)?,
            ProposalAction::Propose { expires_at_ms, .. } => check_time("expires_at_ms", expires_at_ms / 1000)?,
            ProposalAction::Release { .. } => {}
        }
        Ok(event)
    }

    /// BLAKE3 over what changes for whom and why, as 64 hex digits. Neither the order of the changes nor repetitions nor
    /// who sent them make a difference.
    pub fn digest<'c>(changes: impl IntoIterator<Item = &'c HealthEvent>) -> String {
        let line = |change: &HealthEvent| {
            let HealthEvent { person, colour, since, expires_at, issuer, evidence, reason, .. } = change;
            let mut hasher = blake3::Hasher::new();
            hasher.update(&person.to_u64().to_le_bytes()).update(&[*colour as u8]).update(&since.to_le_bytes());
            hasher.update(&expires_at.unwrap_or(i64::MAX).to_le_bytes());
            for text in [issuer, evidence, reason] {
                hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
            }
            *hasher.finalize().as_bytes()
        };
        let mut lines: Vec<[u8; 32]> = changes.into_iter().map(line).collect();
        lines.sort_unstable();
        lines.dedup();
        let mut hasher = blake3::Hasher::new_derive_key("venuecode 2026 bulk change of health codes");
        lines.iter().for_each(|line| {
            hasher.update(line);
        });
        hasher.finalize().to_hex().to_string()
    }
}

impl ProposalAction {
    /// The word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Part { .. } => "part",
            Self::Propose { .. } => "propose",
            Self::Release { .. } => "release",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Colour, PersonKey};

    fn change(number: u64) -> HealthEvent {
        let text = |text: &str| text.to_owned();
        HealthEvent {
            v: 1,
            person: PersonKey::from_u64(1 << 60 | number).expect("valid"),
            colour: Colour::Red,
            since: 1_653_000_000,
            expires_at: None,
            issuer: text("CDC"),
            evidence: text("E-1"),
            reason: text("contact"),
            sent_by: Some(text("cdc-1")),
            release: None,
            newest: None,
        }
    }

    proptest! {
        #[test]
        fn neither_order_nor_repetition_nor_the_sender_changes_the_digest(
            numbers in prop::collection::vec(0u64..20, 0..20), order in any::<u64>(),
        ) {
            let straight: Vec<_> = numbers.iter().map(|number| change(*number)).collect();
            let mut mixed: Vec<_> = straight.iter().chain(&straight).cloned().collect();
            mixed.sort_by_key(|change| (change.person.to_u64() ^ order).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            mixed.iter_mut().for_each(|change| change.sent_by = Some("cdc-2".to_owned()));
            prop_assert_eq!(ProposalEvent::digest(&straight), ProposalEvent::digest(&mixed));
            let one_more: Vec<_> = straight.iter().cloned().chain([change(20)]).collect();
            prop_assert_ne!(ProposalEvent::digest(&straight), ProposalEvent::digest(&one_more));
        }
    }

    #[test]
    fn every_part_of_a_change_is_in_the_digest() {
        let changed = |alter: fn(&mut HealthEvent)| {
            let mut change = change(1);
            alter(&mut change);
            ProposalEvent::digest([&change])
        };
        let digests = [
            changed(|_| {}),
            changed(|c| c.person = PersonKey::from_u64(1 << 60 | 2).expect("valid")),
            changed(|c| c.colour = Colour::Yellow),
            changed(|c| c.since += 1),
            changed(|c| c.expires_at = Some(1_654_000_000)),
            changed(|c| c.issuer.push('1')),
            changed(|c| c.evidence.push('1')),
            changed(|c| c.reason.push('1')),
            changed(|c| (c.issuer, c.evidence) = ("CDCE".to_owned(), "-1".to_owned())),
        ];
        let distinct: std::collections::BTreeSet<_> = digests.iter().collect();
        assert_eq!(distinct.len(), digests.len());
        assert!(digests.iter().all(|digest| digest.len() == 64));
    }

    #[test]
    fn a_change_that_cannot_be_makes_its_part_unreadable() {
        let part = |change| ProposalAction::Part { part: 0, changes: vec![change] };
        let record = |action| {
            let event = ProposalEvent { v: 1, proposal: Uuid::nil(), at_ms: 1_653_000_000_000, action };
            ProposalEvent::try_parse(&serde_json::to_vec(&event).expect("serialises")).map_err(|e| e.to_string())
        };
        assert!(record(part(change(1))).is_ok());
        let refused = record(part(HealthEvent { expires_at: Some(1_653_000_000), ..change(1) }));
        assert_eq!(refused.unwrap_err(), "field `expires_at` is not after `since`");
    }
}
