//! Reminders of what is to be mended about venue codes, and what became of them (S4 三.1: 提醒并督促整改, 多次提醒).
//!
//! A regulator reminds an organisation of a matter of a closed list until a day; the organisation answers, and a regulator
//! settles it. The fold of a district's records decides. A reminder's identity begins with the six digits of its district,
//! so that it alone says in which partition its records are, and whether a token may speak of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{EventError, Versioned, check_time, district_id, is_district, read};
use crate::{UnixSeconds, VenueId, city::Bilingual, organisation::is_credit_code};

/// One record about reminders. Topic `reminders`, key: district.
///
/// Nothing here names a person: accounts are those of tokens, and notes take no numbers of people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReminderEvent {
    /// Message version.
    pub v: u8,
    /// District, six-digit code of GB/T 2260: of the venue, or of the office that reminds an organisation.
    pub district: u32,
    /// When the gateway took it, in milliseconds since 1970.
    pub at_ms: i64,
    /// What it says.
    pub action: ReminderAction,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ReminderAction {
    /// A regulator reminds an organisation. The first time counts.
    Send(Box<Sending>),
    /// The organisation says what it does about it.
    Answer {
        /// The reminder.
        reminder: Uuid,
        /// Identity of the command. Sent again, it is still one.
        command: Uuid,
        /// Account of the sender (`sub` of the token).
        by: String,
        /// Credit code of the organisation that the token is limited to.
        organisation: String,
        /// What it does.
        reply: ReminderReply,
        /// What it says to that; stored and shown as it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// A regulator says what came of it.
    Settle {
        /// The reminder.
        reminder: Uuid,
        /// Identity of the command. Sent again, it is still one.
        command: Uuid,
        /// Account of the sender (`sub` of the token).
        by: String,
        /// What came of it.
        outcome: ReminderOutcome,
        /// What is to be said of it; stored and shown as it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// Time has passed: reminders of the district that were due by a time and that nobody has settled are escalated.
    /// Written by the owner of the log, so that the log alone tells what was overdue when.
    Escalate {
        /// The time, in milliseconds since 1970; not after the record's own.
        due_by_ms: i64,
    },
}

/// What an organisation is reminded of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sending {
    /// Identity of the reminder: [`ReminderEvent::derive_id`].
    pub reminder: Uuid,
    /// Account of the sender (`sub` of the token).
    pub by: String,
    /// Credit code of the organisation that is reminded (GB 32100).
    pub organisation: String,
    /// The venue that it is about; none with a matter of the organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub venue: Option<VenueId>,
    /// Of what.
    pub matter: ReminderMatter,
    /// First second after the day by which it is to be mended.
    pub due_at: UnixSeconds,
    /// What is to be said of it; stored and shown as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

words! {
    /// What an organisation is reminded of: what S4 asks of whoever runs a place.
    ReminderMatter {
        /// It has no venue code and should have one (S4 三.1: 应设未设“场所码”).
        NoCode = "no_code",
        /// It has no freight code and should have one (S4 三.1: 应设未设“专属场所码”).
        NoFreightCode = "no_freight_code",
        /// Nobody scans a venue's code (S4 三.1: 设置、使用进行督导检查).
        NoScans = "no_scans",
        /// A venue's code is not put up where it is seen (S4 二.1: 在场所醒目位置设置、张贴).
        NotDisplayed = "not_displayed",
        /// Nobody at a venue sees to it that people scan (S4 二.3: 认真落实…扫码查验工作).
        NotChecked = "not_checked",
    }
}

words! {
    /// What an organisation does about a reminder.
    ReminderReply {
        /// It has mended it.
        Mended = "mended",
        /// It is mending it.
        Mending = "mending",
        /// It says that there is nothing to mend.
        Objected = "objected",
    }
}

words! {
    /// What came of a reminder (S4 三.1).
    ReminderOutcome {
        /// It is mended (整改).
        Mended = "mended",
        /// It is not: the organisation is to be reminded once more.
        NotMended = "not_mended",
        /// Whoever is responsible was called in (约谈).
        Interviewed = "interviewed",
        /// They were criticised in public (通报批评).
        Criticised = "criticised",
        /// They are prosecuted by law (依法依规追究相关法律责任).
        Prosecuted = "prosecuted",
        /// The reminder was wrong.
        Mistaken = "mistaken",
    }
}

words! {
    /// How far a reminder is. That its day is over is no state of its own: it may still be answered and settled.
    ReminderState {
        /// The organisation was reminded.
        Sent = "sent",
        /// It has answered.
        Answered = "answered",
        /// It is known what came of it.
        Settled = "settled",
        /// It was never sent: the organisation was reminded of the same already.
        Refused = "refused",
    }
}

words! {
    /// Why a reminder was not sent, or a command about one not carried out.
    ReminderRefusal {
        /// The organisation was reminded of the same already, and that is not settled.
        AlreadyOpen = "already_open",
        /// It was settled before.
        AlreadySettled = "already_settled",
        /// It was never sent, so there is nothing to settle.
        NotSent = "not_sent",
        /// There were too many answers to it: it can only be settled.
        TooManyAnswers = "too_many_answers",
    }
}

impl ReminderMatter {
    /// Whether it is about a venue, and not about an organisation as a whole.
    pub const fn is_of_venue(self) -> bool {
        match self {
            Self::NoCode | Self::NoFreightCode => false,
            Self::NoScans | Self::NotDisplayed | Self::NotChecked => true,
        }
    }

    /// Its name as shown.
    pub fn name(self) -> Bilingual {
        bilingual(match self {
            Self::NoCode => ("应设未设场所码", "No venue code where there should be one"),
            Self::NoFreightCode => ("应设未设专属场所码", "No freight code where there should be one"),
            Self::NoScans => ("场所码长期无人扫码", "Nobody scans the code"),
            Self::NotDisplayed => ("场所码未在醒目位置张贴", "The code is not put up where it is seen"),
            Self::NotChecked => ("未落实扫码查验", "Nobody sees to it that people scan"),
        })
    }
}

impl ReminderReply {
    /// Its name as shown.
    pub fn name(self) -> Bilingual {
        bilingual(match self {
            Self::Mended => ("已整改", "Mended"),
            Self::Mending => ("整改中", "Being mended"),
            Self::Objected => ("有异议", "Objected to"),
        })
    }
}

impl ReminderOutcome {
    /// Its name as shown.
    pub fn name(self) -> Bilingual {
        bilingual(match self {
            Self::Mended => ("整改到位", "Mended"),
            Self::NotMended => ("整改不到位，再次提醒", "Not mended, to be reminded of again"),
            Self::Interviewed => ("约谈相关负责人", "Those responsible were called in"),
            Self::Criticised => ("通报批评", "Criticised in public"),
            Self::Prosecuted => ("依法依规追究法律责任", "Prosecuted by law"),
            Self::Mistaken => ("误发", "The reminder was wrong"),
        })
    }
}

fn bilingual((zh, en): (&str, &str)) -> Bilingual {
    Bilingual { zh: zh.to_owned(), en: en.to_owned() }
}

impl Versioned for ReminderEvent {
    fn v(&self) -> u8 {
        self.v
    }
}

impl ReminderEvent {
    /// Reads and checks a message.
    ///
    /// # Errors
    /// When it is no record of a version known here, or a field holds what cannot be.
    pub fn try_parse(message: &[u8]) -> Result<Self, EventError> {
        let event: Self = read(message)?;
        let fault = |field, problem| Err(EventError::Field { field, problem });
        if !is_district(event.district) {
            return fault("district", "is not a six-digit code (GB/T 2260)");
        }
        check_time("at_ms", event.at_ms / 1000)?;
        if event.reminder().is_some_and(|reminder| Self::district_of(reminder) != Some(event.district)) {
            return fault("reminder", "is of another district");
        }
        match &event.action {
            ReminderAction::Send(sending) => {
                check_time("due_at", sending.due_at)?;
                if !is_credit_code(&sending.organisation) {
                    return fault("organisation", "is not a credit code (GB 32100)");
                }
                if sending.venue.is_some() != sending.matter.is_of_venue() {
                    return fault("venue", "is there with a matter of an organisation, or missing with one of a venue");
                }
            }
            ReminderAction::Escalate { due_by_ms } if *due_by_ms > event.at_ms => {
                return fault("due_by_ms", "is after the record itself");
            }
            _ => {}
        }
        Ok(event)
    }

    /// The identity of what an account sends under a request's own identity: sent again, it is the same.
    pub fn derive_id(district: u32, by: &str, request: Uuid) -> Uuid {
        district_id::derive(district, &[b"reminder\0", request.as_bytes(), by.as_bytes()])
    }

    /// The district that a reminder's identity begins with; none when it cannot be a reminder's.
    pub fn district_of(reminder: Uuid) -> Option<u32> {
        district_id::district_of(reminder)
    }

    /// The reminder that it is about; none when it is about those that are overdue.
    pub const fn reminder(&self) -> Option<Uuid> {
        match &self.action {
            ReminderAction::Send(sending) => Some(sending.reminder),
            ReminderAction::Answer { reminder, .. } | ReminderAction::Settle { reminder, .. } => Some(*reminder),
            ReminderAction::Escalate { .. } => None,
        }
    }
}

impl ReminderAction {
    /// The word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Send(_) => "send",
            Self::Answer { .. } => "answer",
            Self::Settle { .. } => "settle",
            Self::Escalate { .. } => "escalate",
        }
    }
}

#[cfg(test)]
mod tests;
