//! Alerts about abnormal scans and lorries, and what the district's office does about them (S0 四, S2 规范验码, S4 二.2, 二.3).
//!
//! The processor raises an alert while it stores the scan, or finds that a lorry's loop was not closed; the gateway
//! writes down what the office does; the alert book of the district is the fold of both. An alert's identity begins
//! with the six digits of its district, so that it alone says in which partition its book is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{EventError, VERSION, Versioned, check_time, district_id, is_district, read};
use crate::{
    Colour, Method, PersonKey, PlateKey, Reason, Reasons, ScanRow, TestResult, UnixSeconds, VenueId, Verdict,
    city::Bilingual,
};

/// One record of an alert book. Topic `alerts`, key: district.
///
/// Nothing here names a person: only the person key travels, and what an office notes is sealed by the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertEvent {
    /// Message version.
    pub v: u8,
    /// District of the venue, six-digit code of GB/T 2260.
    pub district: u32,
    /// When the gateway took the scan or the command, in milliseconds since 1970.
    pub at_ms: i64,
    /// What happened, or is to be done.
    pub action: AlertAction,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AlertAction {
    /// Something abnormal was seen, at a door or of a lorry. The same alert may be raised more than once; the first time counts.
    Raised(Box<Raised>),
    /// The office has seen the alert and looks after it.
    Acknowledge {
        /// The alert.
        alert: Uuid,
        /// Identity of the command. Sent again, it is still one.
        command: Uuid,
        /// Account of the sender (`sub` of the token).
        by: String,
    },
    /// The office says what became of the person.
    Dispose {
        /// The alert.
        alert: Uuid,
        /// Identity of the command. Sent again, it is still one.
        command: Uuid,
        /// Account of the sender (`sub` of the token).
        by: String,
        /// What became of the person.
        disposition: Disposition,
        /// What the office notes about it, sealed by the gateway.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sealed_note: Option<String>,
    },
    /// Time has passed: alerts of the district that were raised before a time and that nobody has acknowledged are
    /// escalated. Written by the owner of the log, so that the log alone tells what was overdue when.
    Escalate {
        /// The time, in milliseconds since 1970.
        raised_before_ms: i64,
    },
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Raised {
    /// Identity of the alert: [`AlertEvent::derive_id`].
    pub alert: Uuid,
    /// What is abnormal, the gravest first.
    pub kind: AlertKind,
    /// Identity of what it was seen by: the scan, or the trip that is overdue.
    pub source: Uuid,
    /// Where; of a trip that is overdue, its destination.
    pub venue: VenueId,
    /// Who; of a trip that is overdue, the driver.
    pub person: PersonKey,
    /// The lorry (S4: person and vehicle).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vehicle: Option<PlateKey>,
    /// When; of a trip that is overdue, when it should have been closed.
    pub scanned_at: UnixSeconds,
    /// How, if it was a scan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// What the person was told, if it was a scan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The graver one of the colour that was shown and the colour in force at the scan, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colour: Option<Colour>,
    /// Why the person was refused.
    #[serde(default)]
    pub reasons: Reasons,
}

words! {
    /// What is abnormal.
    AlertKind {
        /// The newest test is positive.
        PositiveTest = "positive_test",
        /// The code is yellow or red.
        AbnormalColour = "abnormal_colour",
        /// Refused, with symptoms or contact with a case declared.
        Symptoms = "symptoms",
        /// A lorry was scanned at a checkpoint or destination without a trip that is declared there (S4).
        UndeclaredTrip = "undeclared_trip",
        /// A lorry's declared trip was not closed in time (S4).
        OverdueTrip = "overdue_trip",
    }
}

words! {
    /// How far an alert is.
    AlertState {
        /// Nobody has acknowledged it.
        Raised = "raised",
        /// Somebody looks after it.
        Acknowledged = "acknowledged",
        /// It is known what became of the person.
        Disposed = "disposed",
    }
}

words! {
    /// Why a command about an alert was not carried out.
    AlertRefusal {
        /// Somebody has acknowledged it already.
        AlreadyAcknowledged = "already_acknowledged",
        /// Only what somebody has acknowledged can be disposed of.
        NotAcknowledged = "not_acknowledged",
        /// What became of the person has been said already.
        AlreadyDisposed = "already_disposed",
    }
}

words! {
    /// What became of the person.
    Disposition {
        /// Taken away in a closed loop (S4: 闭环转运管控).
        Transferred = "transferred",
        /// Isolated at the spot for the time being (S4: 就地临时隔离).
        IsolatedOnSite = "isolated_on_site",
        /// Isolates at home.
        HomeIsolation = "home_isolation",
        /// Let go after a check of code and test.
        ReleasedAfterCheck = "released_after_check",
        /// Handed over to the police (S4 三.2: 由公安部门依法依规处理).
        HandedToPolice = "handed_to_police",
        /// Was not found any more.
        NotFound = "not_found",
        /// The alert was wrong.
        FalseAlarm = "false_alarm",
    }
}

impl Disposition {
    /// Its name as shown.
    pub fn name(self) -> Bilingual {
        let (zh, en) = match self {
            Self::Transferred => ("闭环转运", "Taken away in a closed loop"),
            Self::IsolatedOnSite => ("就地临时隔离", "Isolated at the spot"),
            Self::HomeIsolation => ("居家隔离", "Isolates at home"),
            Self::ReleasedAfterCheck => ("核验后放行", "Let go after a check"),
            Self::HandedToPolice => ("移交公安部门", "Handed over to the police"),
            Self::NotFound => ("未找到本人", "Not found"),
            Self::FalseAlarm => ("误报", "False alarm"),
        };
        Bilingual { zh: zh.to_owned(), en: en.to_owned() }
    }
}

impl Versioned for AlertEvent {
    fn v(&self) -> u8 {
        self.v
    }
}

impl AlertEvent {
    /// Reads and checks a message.
    ///
    /// # Errors
    /// When it is no record of a version known here, or a field holds what cannot be.
    pub fn try_parse(message: &[u8]) -> Result<Self, EventError> {
        let event: Self = read(message)?;
        if !is_district(event.district) {
            return Err(EventError::Field { field: "district", problem: "is not a six-digit code (GB/T 2260)" });
        }
        check_time("at_ms", event.at_ms / 1000)?;
        if event.alert().is_some_and(|alert| Self::district_of(alert) != Some(event.district)) {
            return Err(EventError::Field { field: "alert", problem: "is of another district" });
        }
        Ok(event)
    }

    /// The alert that a stored scan raises, if it raises one: the person was refused for yellow, red, a positive test or
    /// symptoms, or whatever was shown, colour or test in force at the scan were such (a scan that came late, or that
    /// was answered before the colour was known).
    pub fn of_scan(row: &ScanRow, vehicle: Option<PlateKey>, accepted_at_ms: i64) -> Option<Self> {
        let refused_for = |reason| row.verdict == Verdict::Refuse && row.reasons.contains(reason);
        let kind = if refused_for(Reason::TestPositive) || row.test_result == TestResult::Positive {
            AlertKind::PositiveTest
        } else if [Reason::ColourYellow, Reason::ColourRed].into_iter().any(refused_for) || row.colour >= Colour::Yellow
        {
            AlertKind::AbnormalColour
        } else if refused_for(Reason::Symptoms) {
            AlertKind::Symptoms
        } else {
            return None;
        };
        let raised = Raised {
            alert: Self::derive_id(row.district, row.event_id, kind),
            kind,
            source: row.event_id,
            venue: row.venue,
            person: row.person,
            vehicle,
            scanned_at: row.scanned_at,
            method: Some(row.method),
            verdict: Some(row.verdict),
            colour: Some(row.colour.max(row.colour_shown)),
            reasons: row.reasons,
        };
        Some(Self::raise(row.district, accepted_at_ms, raised))
    }

    /// The record that raises an alert in a district.
    pub fn raise(district: u32, at_ms: i64, raised: Raised) -> Self {
        Self { v: VERSION, district, at_ms, action: AlertAction::Raised(Box::new(raised)) }
    }

    /// The identity of an alert: a UUID (version 8) whose first eight digits are the district in decimal, and whose rest
    /// is made of the source and the kind, so that the same source never raises two alerts of a kind.
    pub fn derive_id(district: u32, source: Uuid, kind: AlertKind) -> Uuid {
        district_id::derive(district, &[b"alert\0", source.as_bytes(), kind.as_str().as_bytes()])
    }

    /// The district that an alert's identity begins with; none when it cannot be an alert's.
    pub fn district_of(alert: Uuid) -> Option<u32> {
        district_id::district_of(alert)
    }

    /// The alert that it is about; none when it is about those that are overdue.
    pub const fn alert(&self) -> Option<Uuid> {
        match &self.action {
            AlertAction::Raised(raised) => Some(raised.alert),
            AlertAction::Acknowledge { alert, .. } | AlertAction::Dispose { alert, .. } => Some(*alert),
            AlertAction::Escalate { .. } => None,
        }
    }
}

impl AlertAction {
    /// The word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Raised(_) => "raised",
            Self::Acknowledge { .. } => "acknowledge",
            Self::Dispose { .. } => "dispose",
            Self::Escalate { .. } => "escalate",
        }
    }
}

#[cfg(test)]
mod tests;
