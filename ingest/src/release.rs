//! What an epidemiologist asks to read, and what a supervisor says to that, as clients send it. Pure: time is an argument.

use schemas::{
    KeyRing, PersonKey, ReleaseEvent, VenueId,
    access::Claims,
    events::{
        Asking, CaseKind, DEFAULT_WINDOW_MINUTES, DeclineReason, MAX_HOPS, MAX_SUBJECTS, MAX_WINDOW_MINUTES, Purpose,
        ReleaseAction, VERSION, is_district,
    },
};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    error::IngestError,
    fields::{Field, Object, Text, check_plain_text, one_of},
    note::{self, NOTE},
    routes::commands::REQUEST_ID,
    scope::check_district,
    time,
    venue_fields::DISTRICT,
};

/// Longest number of a case or of its evidence, in characters.
const MAX_NUMBER_CHARS: usize = 64;
const TEXT: &str = "expected a text";
const PERSONS: &str = "expected up to 500 person keys: 16 lower-case hex digits, the first one from 1 to f";
const WINDOW: &str = "expected 1 to 1440 minutes";
const VENUES: &str = "expected up to 500 numbers of venues";

/// What somebody wants to read of anyone's movements, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseRequest<'a> {
    /// Identity of the request: sent again with the same one, it is still one.
    #[serde(default)]
    request_id: Option<Uuid>,
    /// District of the office that has the case, a six-digit code of GB/T 2260: venues are read of this district only. With
    /// the code of a city or province, which ends in 00, of all; then a supervisor without a district decides.
    #[schema(minimum = 110_000, maximum = 829_999)]
    district: u32,
    /// Number of the case, up to 64 characters, without the number of a person.
    #[serde(borrow)]
    #[schema(value_type = String, min_length = 1, max_length = 64)]
    case: Text<'a>,
    /// What kind of case it is.
    case_kind: CaseKind,
    /// Number of the report or result that shows the case, up to 64 characters, without the number of a person.
    #[serde(borrow)]
    #[schema(value_type = String, min_length = 1, max_length = 64)]
    evidence: Text<'a>,
    /// What it is read for.
    purpose: Purpose,
    /// Whose movements; `persons` or `venues` must name something.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 500)]
    persons: Vec<PersonKey>,
    /// Whose visitors.
    #[serde(default)]
    #[schema(max_items = 500)]
    venues: Vec<VenueId>,
    /// First second of what is read.
    #[serde(borrow)]
    #[schema(value_type = String, format = DateTime)]
    from: Text<'a>,
    /// First second after it.
    #[serde(borrow)]
    #[schema(value_type = String, format = DateTime)]
    to: Text<'a>,
    /// How far contacts are followed: 0 for the visits of the persons alone, 1 for whom they met, which is also what the
    /// visitors of a venue are, 2 for whom those met.
    #[serde(default = "one_hop")]
    #[schema(minimum = 0, maximum = 3, default = 1)]
    hops: u8,
    /// How many minutes before or after a visit contacts may be looked for, at most.
    #[serde(default = "default_window_minutes")]
    #[schema(minimum = 1, maximum = 1440, default = 30)]
    window_minutes: u16,
    /// What is to be noted, up to 500 characters; encrypted before it is kept.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    note: Option<Text<'a>>,
}

const fn one_hop() -> u8 {
    1
}

const fn default_window_minutes() -> u16 {
    DEFAULT_WINDOW_MINUTES
}

impl<'a> Object<'a> for ReleaseRequest<'a> {
    const FIELDS: &'static [Field] = &[
        REQUEST_ID,
        Field::required::<u32>("district", || DISTRICT.to_owned()),
        Field::required::<String>("case", || TEXT.to_owned()),
        Field::required::<CaseKind>("case_kind", || one_of(CaseKind::ALL.iter().map(|word| word.as_str()))),
        Field::required::<String>("evidence", || TEXT.to_owned()),
        Field::required::<Purpose>("purpose", || one_of(Purpose::ALL.iter().map(|word| word.as_str()))),
        Field::optional::<Vec<PersonKey>>("persons", || PERSONS.to_owned()),
        Field::optional::<Vec<VenueId>>("venues", || VENUES.to_owned()),
        Field::required::<String>("from", || time::EXPECTED.to_owned()),
        Field::required::<String>("to", || time::EXPECTED.to_owned()),
        Field::optional::<u8>("hops", || "expected 0 to 3".to_owned()),
        Field::optional::<u16>("window_minutes", || WINDOW.to_owned()),
        NOTE,
    ];
}

/// Whether it may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Decision {
    /// It may.
    Release,
    /// It may not.
    Decline,
}

/// What another account says to it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionRequest<'a> {
    /// Identity of the decision: sent again with the same one, it is still one.
    #[serde(default)]
    request_id: Option<Uuid>,
    /// Whether it may be read.
    outcome: Decision,
    /// Why not; must be there with `decline`, and with nothing else.
    #[serde(default)]
    reason: Option<DeclineReason>,
    /// What is to be noted, up to 500 characters, only with `decline`; encrypted before it is kept.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    note: Option<Text<'a>>,
}

impl<'a> Object<'a> for DecisionRequest<'a> {
    const FIELDS: &'static [Field] = &[
        REQUEST_ID,
        Field::required::<Decision>("outcome", || one_of(["release", "decline"])),
        Field::optional::<Option<DeclineReason>>("reason", reasons),
        NOTE,
    ];
}

/// Takes a release back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseWithdrawalRequest {
    /// Identity of the command: sent again with the same one, it is still one.
    #[serde(default)]
    pub request_id: Option<Uuid>,
}

impl Object<'_> for ReleaseWithdrawalRequest {
    const FIELDS: &'static [Field] = &[REQUEST_ID];
}

fn reasons() -> String {
    one_of(DeclineReason::ALL.iter().map(|reason| reason.as_str()))
}

impl ReleaseRequest<'_> {
    /// The event that asks, which waits for its release until a time.
    ///
    /// # Errors
    /// When a field holds what cannot be, or the district is outside the token's; the error names the field.
    pub fn check(
        self,
        sender: &Claims,
        keys: &KeyRing,
        (now_ms, expires_at_ms): (i64, i64),
    ) -> Result<ReleaseEvent, IngestError> {
        if !is_district(self.district) {
            return Err(IngestError::invalid("district", DISTRICT));
        }
        check_district(&sender.scope, self.district, "district")?;
        check_plain_text("case", &self.case, MAX_NUMBER_CHARS)?;
        check_plain_text("evidence", &self.evidence, MAX_NUMBER_CHARS)?;
        if self.persons.len() > MAX_SUBJECTS {
            return Err(IngestError::invalid("persons", PERSONS));
        }
        if self.venues.len() > MAX_SUBJECTS {
            return Err(IngestError::invalid("venues", VENUES));
        }
        if self.persons.is_empty() && self.venues.is_empty() {
            return Err(IngestError::missing("persons", "expected a person here, or a venue in `venues`"));
        }
        let (from, to) = (time::parse_field("from", &self.from)?, time::parse_field("to", &self.to)?);
        let possible = time::YEAR_2000..time::YEAR_2100;
        if !possible.contains(&from) {
            return Err(IngestError::invalid("from", "expected a time between the years 2000 and 2100"));
        }
        if to <= from || !possible.contains(&to) {
            return Err(IngestError::invalid("to", "expected a time after `from`, before the year 2100"));
        }
        if self.hops > MAX_HOPS {
            return Err(IngestError::invalid("hops", "expected 0 to 3"));
        }
        if !(1..=MAX_WINDOW_MINUTES).contains(&self.window_minutes) {
            return Err(IngestError::invalid("window_minutes", WINDOW));
        }
        let release = ReleaseEvent::derive_id(self.district, &sender.sub, self.request_id.unwrap_or_else(Uuid::now_v7));
        let asking = Asking {
            by: sender.sub.clone(),
            case: self.case.to_string(),
            case_kind: self.case_kind,
            evidence: self.evidence.to_string(),
            purpose: self.purpose,
            persons: self.persons,
            venues: self.venues,
            from,
            to,
            hops: self.hops,
            window_minutes: self.window_minutes,
            expires_at_ms,
            sealed_note: note::sealed(self.note.as_ref(), release, keys)?,
        };
        Ok(ReleaseEvent { v: VERSION, release, at_ms: now_ms, action: ReleaseAction::Ask(Box::new(asking)) })
    }
}

impl DecisionRequest<'_> {
    /// The decision, and the identity of the command; what is released holds until a time.
    ///
    /// # Errors
    /// When reason or note do not go with the outcome; the error names the field.
    pub fn check(
        self,
        sender: &Claims,
        keys: &KeyRing,
        expires_at_ms: i64,
    ) -> Result<(Uuid, ReleaseAction), IngestError> {
        let (command, by) = (self.request_id.unwrap_or_else(Uuid::now_v7), sender.sub.clone());
        let action = match (self.outcome, self.reason) {
            (Decision::Decline, None) => return Err(IngestError::missing("reason", reasons())),
            (Decision::Decline, Some(reason)) => ReleaseAction::Decline {
                command,
                by,
                reason,
                sealed_note: note::sealed(self.note.as_ref(), command, keys)?,
            },
            (Decision::Release, Some(_)) => {
                return Err(IngestError::invalid("reason", "expected only with the outcome `decline`"));
            }
            (Decision::Release, None) if self.note.is_some() => {
                return Err(IngestError::invalid("note", "expected only with the outcome `decline`"));
            }
            (Decision::Release, None) => ReleaseAction::Release { command, by, expires_at_ms },
        };
        Ok((command, action))
    }
}
