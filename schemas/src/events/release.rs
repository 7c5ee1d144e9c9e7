//! Releases: what somebody may read of anyone's movements, asked for by one account and released by another.
//!
//! Who asks names the case, the evidence, a purpose of a closed list, whom and which places it is about, from when to when,
//! and how many hops of contacts. The fold of a release's records decides, so that it is decided once, whoever sends what
//! twice. Its identity begins with the district of the office that has the case: a supervisor's limit is held to by it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{EventError, Versioned, check_time, district_id, read};
use crate::{PersonKey, UnixSeconds, VenueId, city::Bilingual};

/// Most persons, and most venues, that one release is about.
pub const MAX_SUBJECTS: usize = 500;
/// Most minutes before or after a visit within which a trace looks for contacts.
pub const MAX_WINDOW_MINUTES: u16 = 24 * 60;
/// Minutes that are meant where none are said.
pub const DEFAULT_WINDOW_MINUTES: u16 = 30;
/// Most hops of contacts: beyond the third, a city's contacts are nearly all of its people.
pub const MAX_HOPS: u8 = 3;

/// One record about a release. Topic `releases`, key: release.
///
/// Nothing here names a person: only person keys travel, and notes are sealed by the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseEvent {
    /// Message version.
    pub v: u8,
    /// The release: [`ReleaseEvent::derive_id`].
    pub release: Uuid,
    /// When the gateway took it, in milliseconds since 1970.
    pub at_ms: i64,
    /// What it says.
    pub action: ReleaseAction,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ReleaseAction {
    /// Somebody wants to read. The first time counts.
    Ask(Box<Asking>),
    /// Another account lets it happen.
    Release {
        /// Identity of the command. Sent again, it is still one.
        command: Uuid,
        /// Account of the sender (`sub` of the token).
        by: String,
        /// From when nothing is read by it any more, in milliseconds since 1970.
        expires_at_ms: i64,
    },
    /// Another account does not let it happen.
    Decline {
        /// Identity of the command. Sent again, it is still one.
        command: Uuid,
        /// Account of the sender (`sub` of the token).
        by: String,
        /// Why.
        reason: DeclineReason,
        /// What is to be noted about it, sealed by the gateway.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sealed_note: Option<String>,
    },
    /// Nothing is read by it any more, whether it was released or not.
    Withdraw {
        /// Identity of the command. Sent again, it is still one.
        command: Uuid,
        /// Account of the sender (`sub` of the token).
        by: String,
        /// Whether by a supervisor, who need not be the one who asked.
        #[serde(default)]
        by_supervisor: bool,
    },
}

/// What somebody wants to read, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Asking {
    /// Account of the sender (`sub` of the token): nobody else reads by this release.
    pub by: String,
    /// Number of the case.
    pub case: String,
    /// What kind of case it is.
    pub case_kind: CaseKind,
    /// What shows that there is such a case: the number of a report or of a laboratory's result.
    pub evidence: String,
    /// What it is read for.
    pub purpose: Purpose,
    /// Whose movements.
    #[serde(default)]
    pub persons: Vec<PersonKey>,
    /// Whose visitors.
    #[serde(default)]
    pub venues: Vec<VenueId>,
    /// First second of what may be read.
    pub from: UnixSeconds,
    /// First second after it.
    pub to: UnixSeconds,
    /// How far contacts may be followed: 0 for the visits of the persons alone, 1 for whom they met, 2 for whom those met.
    pub hops: u8,
    /// How many minutes before or after a visit contacts may be looked for, at most.
    #[serde(default = "default_window_minutes")]
    pub window_minutes: u16,
    /// From when it can no longer be released, in milliseconds since 1970.
    pub expires_at_ms: i64,
    /// What is to be noted about it, sealed by the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_note: Option<String>,
}

const fn default_window_minutes() -> u16 {
    DEFAULT_WINDOW_MINUTES
}

words! {
    /// What movements are read for. There is nothing else that they are read for.
    Purpose {
        /// To find out where a case was.
        CaseInvestigation = "case_investigation",
        /// To find out whom a case met.
        ContactTracing = "contact_tracing",
        /// To find out who was at a place where several cases were.
        VenueCluster = "venue_cluster",
        /// To correct what is stored of a person who asks for it.
        Correction = "correction",
    }
}

words! {
    /// What kind of case it is.
    CaseKind {
        /// A confirmed case.
        Confirmed = "confirmed",
        /// An infection without symptoms.
        Asymptomatic = "asymptomatic",
        /// A suspected case.
        Suspected = "suspected",
        /// No case: a person asked for it.
        Request = "request",
    }
}

words! {
    /// Why a release was declined.
    DeclineReason {
        /// The purpose can be reached without it.
        NotNecessary = "not_necessary",
        /// The evidence shows no such case.
        NoEvidence = "no_evidence",
        /// More people, places, time or hops than the purpose needs.
        TooBroad = "too_broad",
        /// Not the purpose that is given.
        WrongPurpose = "wrong_purpose",
    }
}

words! {
    /// How far a release is. That its time is over is no state of its own: whoever reads looks at the clock.
    ReleaseState {
        /// Waits for another account.
        Asked = "asked",
        /// Its asker may read.
        Released = "released",
        /// Another account did not let it happen.
        Declined = "declined",
        /// Was taken back.
        Withdrawn = "withdrawn",
    }
}

words! {
    /// Why a command about a release was not carried out.
    ReleaseRefusal {
        /// Who asked decides nothing about it.
        OwnRequest = "own_request",
        /// It was decided or taken back before.
        AlreadyDecided = "already_decided",
        /// The time for it is over.
        Expired = "expired",
        /// Only who asked, or a supervisor, takes it back.
        NotOwn = "not_own",
        /// There were too many commands about it: it can only be taken back.
        TooManyCommands = "too_many_commands",
    }
}

impl Purpose {
    /// Its name as shown.
    pub fn name(self) -> Bilingual {
        let (zh, en) = match self {
            Self::CaseInvestigation => ("病例流行病学调查", "Finding out where a case was"),
            Self::ContactTracing => ("密切接触者追踪", "Tracing the contacts of a case"),
            Self::VenueCluster => ("聚集性疫情场所排查", "Finding out who was at a place with several cases"),
            Self::Correction => ("应本人申请更正信息", "Correcting data at the person's own request"),
        };
        Bilingual { zh: zh.to_owned(), en: en.to_owned() }
    }
}

impl CaseKind {
    /// Its name as shown.
    pub fn name(self) -> Bilingual {
        let (zh, en) = match self {
            Self::Confirmed => ("确诊病例", "Confirmed case"),
            Self::Asymptomatic => ("无症状感染者", "Infection without symptoms"),
            Self::Suspected => ("疑似病例", "Suspected case"),
            Self::Request => ("本人申请", "The person's own request"),
        };
        Bilingual { zh: zh.to_owned(), en: en.to_owned() }
    }
}

impl Versioned for ReleaseEvent {
    fn v(&self) -> u8 {
        self.v
    }
}

impl ReleaseEvent {
    /// Reads and checks a message.
    ///
    /// # Errors
    /// When it is no record of a version known here, or a field holds what cannot be.
    pub fn try_parse(message: &[u8]) -> Result<Self, EventError> {
        let event: Self = read(message)?;
        let fault = |field, problem| Err(EventError::Field { field, problem });
        check_time("at_ms", event.at_ms / 1000)?;
        if Self::district_of(event.release).is_none() {
            return fault("release", "does not begin with a district");
        }
        match &event.action {
            ReleaseAction::Ask(asking) => {
                check_time("from", asking.from)?;
                check_time("to", asking.to)?;
                check_time("expires_at_ms", asking.expires_at_ms / 1000)?;
                let subjects = asking.persons.len().max(asking.venues.len());
                if asking.to <= asking.from {
                    return fault("to", "is not after `from`");
                }
                if !(1..=MAX_SUBJECTS).contains(&subjects) {
                    return fault("persons", "names nobody together with `venues`, or too many");
                }
                if asking.hops > MAX_HOPS {
                    return fault("hops", "is more than there may be");
                }
                if !(1..=MAX_WINDOW_MINUTES).contains(&asking.window_minutes) {
                    return fault("window_minutes", "is none, or more than there may be");
                }
            }
            ReleaseAction::Release { expires_at_ms, .. } => check_time("expires_at_ms", expires_at_ms / 1000)?,
            ReleaseAction::Decline { .. } | ReleaseAction::Withdraw { .. } => {}
        }
        Ok(event)
    }

    /// The identity of what an account asks for under a request's own identity: sent again, it is the same.
    pub fn derive_id(district: u32, by: &str, request: Uuid) -> Uuid {
        district_id::derive(district, &[b"release\0", request.as_bytes(), by.as_bytes()])
    }

    /// The district that a release's identity begins with; none when it cannot be a release's.
    pub fn district_of(release: Uuid) -> Option<u32> {
        district_id::district_of(release)
    }
}

impl ReleaseAction {
    /// The word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Ask(_) => "ask",
            Self::Release { .. } => "release",
            Self::Decline { .. } => "decline",
            Self::Withdraw { .. } => "withdraw",
        }
    }

    /// Account of whoever sent it.
    pub fn by(&self) -> &str {
        match self {
            Self::Ask(asking) => &asking.by,
            Self::Release { by, .. } | Self::Decline { by, .. } | Self::Withdraw { by, .. } => by,
        }
    }
}

#[cfg(test)]
mod tests;
