//! Erasures: everything that is kept of one person goes, asked for by one account and confirmed by another (PIPL, article 47).
//!
//! The fold of an erasure's records decides, so that it is decided once, whoever sends what twice. What gateways send is
//! about the identity of the erasure; what the owner of the log makes of it ([`ErasureAction::Erase`], then
//! [`ErasureAction::Done`]) goes under a key of its own, so that no later command takes its place when the log is
//! compacted. The last of these is kept for good and names nobody: by its digest nothing comes back that is read again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{EventError, Versioned, check_time, district_id, read};
use crate::{PersonKey, city::Bilingual, erasure::PersonDigest};

/// Hours within which an erasure must be confirmed. The log keeps what names the person for at least a week, replaced or not.
pub const ERASURE_WAIT_HOURS: i64 = 72;

/// One record about an erasure. Topic `erasures`, key: [`ErasureEvent::key`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErasureEvent {
    /// Message version.
    pub v: u8,
    /// The erasure: [`ErasureEvent::derive_id`].
    pub erasure: Uuid,
    /// When the gateway took it, or the owner of the log wrote it, in milliseconds since 1970.
    pub at_ms: i64,
    /// What it says.
    pub action: ErasureAction,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ErasureAction {
    /// Somebody wants a person erased. The first time counts.
    Ask(Box<ErasureAsk>),
    /// Another account lets it happen. What came of the person before the time of this record goes.
    Confirm {
        /// Identity of the command. Sent again, it is still one.
        command: Uuid,
        /// Account of the sender (`sub` of the token).
        by: String,
        /// Whom the sender means, under each key that the person may be known by: one of these is the person asked for, or
        /// nothing happens. So whoever confirms has read in the evidence who it is.
        digests: Vec<PersonDigest>,
    },
    /// It does not happen.
    Decline {
        /// Identity of the command. Sent again, it is still one.
        command: Uuid,
        /// Account of the sender (`sub` of the token).
        by: String,
        /// Why.
        reason: ErasureDeclineReason,
    },
    /// Nobody confirmed it in time, or it is over. Written by the owner of the log, in the place of the record that names the
    /// person; a request that is sent again when all is over is such a record as well.
    Lapse,
    /// It was confirmed: from here on nothing of the person from before comes in. Written by the owner of the log.
    Erase {
        /// Who.
        person: PersonKey,
        /// Why, and by whom.
        grounds: Box<Grounds>,
    },
    /// It was carried out. Written by the owner of the log, in the place of the record before, which names the person.
    Done {
        /// Why, and by whom.
        grounds: Box<Grounds>,
        /// What was removed from tables.
        removed: Vec<Removed>,
        /// Where bytes of the person may still be.
        remains: Vec<Remains>,
    },
}

/// What somebody wants erased, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErasureAsk {
    /// Account of the sender (`sub` of the token).
    pub by: String,
    /// Who.
    pub person: PersonKey,
    /// On what basis.
    pub basis: ErasureBasis,
    /// What shows it: the number of a request, a decision or an order.
    pub evidence: String,
    /// From when it can no longer be confirmed, in milliseconds since 1970.
    pub expires_at_ms: i64,
}

/// An erasure that was confirmed, without whom it is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Grounds {
    /// Who, for whoever has the person's key.
    pub digest: PersonDigest,
    /// What was made or accepted before goes, in milliseconds since 1970: when it was confirmed, and never later than the
    /// clock of whoever owns the log says.
    pub before_ms: i64,
    /// On what basis.
    pub basis: ErasureBasis,
    /// What shows it.
    pub evidence: String,
    /// Who asked.
    pub asked_by: String,
    /// When, in milliseconds since 1970.
    pub asked_at_ms: i64,
    /// Until when it could be confirmed, in milliseconds since 1970.
    pub expires_at_ms: i64,
    /// Who confirmed it.
    pub confirmed_by: String,
}

/// What was removed from a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Removed {
    /// The table.
    pub table: String,
    /// How many rows, of the last attempt if there were several.
    pub rows: u64,
}

/// Where bytes may still be that nobody can reach through the services any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Remains {
    /// The topic, without a prefix.
    pub topic: String,
    /// Until when at most, in milliseconds since 1970; without it for as long as the topic keeps everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<i64>,
}

words! {
    /// On what basis a person is erased (PIPL, article 47).
    ErasureBasis {
        /// The purpose was achieved, cannot be, or needs it no longer.
        PurposeAchieved = "purpose_achieved",
        /// The person takes consent back.
        ConsentWithdrawn = "consent_withdrawn",
        /// It was collected or used against the law or an agreement.
        Unlawful = "unlawful",
        /// A court or an authority orders it.
        Ordered = "ordered",
    }
}

words! {
    /// Why an erasure was declined.
    ErasureDeclineReason {
        /// The law asks that it be kept for now: an investigation reads it, or its time is not over.
        StillNeeded = "still_needed",
        /// The evidence shows no such basis.
        NoEvidence = "no_evidence",
        /// It is another person than the evidence names.
        WrongPerson = "wrong_person",
        /// Who asked takes it back.
        TakenBack = "taken_back",
    }
}

words! {
    /// How far an erasure is.
    ErasureState {
        /// Waits for another account.
        Asked = "asked",
        /// Is being carried out: nothing of the person from before comes in any more.
        Confirmed = "confirmed",
        /// Does not happen.
        Declined = "declined",
        /// Nobody confirmed it in time.
        Lapsed = "lapsed",
        /// Was carried out.
        Done = "done",
    }
}

words! {
    /// Why a command about an erasure was not carried out.
    ErasureRefusal {
        /// Who asked does not confirm it.
        OwnRequest = "own_request",
        /// It was asked for another person than the one confirmed.
        OtherPerson = "other_person",
        /// It was decided before.
        AlreadyDecided = "already_decided",
        /// The time for it is over.
        Expired = "expired",
        /// There were too many commands about it.
        TooManyCommands = "too_many_commands",
    }
}

impl ErasureBasis {
    /// Its name as shown.
    pub fn name(self) -> Bilingual {
        let (zh, en) = match self {
            Self::PurposeAchieved => ("处理目的已实现或不再必要", "The purpose is achieved or no longer needs it"),
            Self::ConsentWithdrawn => ("本人撤回同意", "Consent was withdrawn"),
            Self::Unlawful => ("违法或违约处理", "It was processed unlawfully"),
            Self::Ordered => ("法院或主管部门决定", "A court or an authority ordered it"),
        };
        Bilingual { zh: zh.to_owned(), en: en.to_owned() }
    }
}

impl Versioned for ErasureEvent {
    fn v(&self) -> u8 {
        self.v
    }
}

impl ErasureEvent {
    /// Reads and checks a message.
    ///
    /// # Errors
    /// When it is no record of a version known here, or a field holds what cannot be.
    pub fn try_parse(message: &[u8]) -> Result<Self, EventError> {
        let event: Self = read(message)?;
        check_time("at_ms", event.at_ms / 1000)?;
        if Self::district_of(event.erasure).is_none() {
            return Err(EventError::Field { field: "erasure", problem: "does not begin with a district" });
        }
        match &event.action {
            ErasureAction::Ask(ask) => check_time("expires_at_ms", ask.expires_at_ms / 1000)?,
            ErasureAction::Erase { grounds, .. } | ErasureAction::Done { grounds, .. } => {
                check_time("before_ms", grounds.before_ms / 1000)?;
            }
            ErasureAction::Confirm { .. } | ErasureAction::Decline { .. } | ErasureAction::Lapse => {}
        }
        if let ErasureAction::Erase { person, grounds } = &event.action
            && PersonDigest::of(*person) != grounds.digest
        {
            return Err(EventError::Field { field: "digest", problem: "is not that of the person" });
        }
        Ok(event)
    }

    /// The key of the message: the erasure; of what is decided about it another one, or a command that comes later would
    /// take its place.
    pub fn key(&self) -> String {
        match self.action {
            ErasureAction::Erase { .. } | ErasureAction::Done { .. } => format!("{}/erased", self.erasure),
            _ => self.erasure.to_string(),
        }
    }

    /// The identity of what an account asks for under a request's own identity: sent again, it is the same.
    pub fn derive_id(district: u32, by: &str, request: Uuid) -> Uuid {
        district_id::derive(district, &[b"erasure\0", request.as_bytes(), by.as_bytes()])
    }

    /// The district that an erasure's identity begins with; none when it cannot be an erasure's.
    pub fn district_of(erasure: Uuid) -> Option<u32> {
        district_id::district_of(erasure)
    }
}

impl ErasureAction {
    /// The word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Ask(_) => "ask",
            Self::Confirm { .. } => "confirm",
            Self::Decline { .. } => "decline",
            Self::Lapse => "lapse",
            Self::Erase { .. } => "erase",
            Self::Done { .. } => "done",
        }
    }

    /// Account of whoever sent it; empty for what the owner of the log writes.
    pub fn by(&self) -> &str {
        match self {
            Self::Ask(ask) => &ask.by,
            Self::Confirm { by, .. } | Self::Decline { by, .. } => by,
            Self::Lapse | Self::Erase { .. } | Self::Done { .. } => "",
        }
    }
}

#[cfg(test)]
mod tests;
