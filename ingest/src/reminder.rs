//! What a regulator reminds an organisation of, what that answers, and what comes of it, as clients send it (S4 三.1). Pure:
//! time is an argument.

use chrono::NaiveDate;
use schemas::{
    CityProfile, ReminderEvent, UnixSeconds, VenueId,
    access::Claims,
    events::{ReminderAction, ReminderMatter, ReminderOutcome, ReminderReply, Sending, VERSION, is_district},
    organisation::is_credit_code,
};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    error::IngestError,
    fields::{Field, Object, Text, one_of},
    note::{self, NOTE},
    routes::commands::REQUEST_ID,
    scope::check_district,
    venue_fields::{DISTRICT, ORGANISATION, VENUE},
};

/// Most days that an organisation is given.
const MAX_DAYS: i64 = 90;
const DAY_S: i64 = 86_400;
const DEADLINE: &str = "expected a day such as 2022-06-10, from today to 90 days from now";

/// What an organisation is reminded of, and by when it is to mend it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReminderRequest<'a> {
    /// Identity of the request: sent again with the same one, it is still one.
    #[serde(default)]
    request_id: Option<Uuid>,
    /// Of what: no_code or no_freight_code, of an organisation; no_scans, not_displayed or not_checked, of a venue.
    matter: ReminderMatter,
    /// Unified social credit code (GB 32100) of the organisation; with no_code and no_freight_code only. Whose a venue is the
    /// directory says.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    organisation: Option<Text<'a>>,
    /// Number of the venue; with no_scans, not_displayed and not_checked only.
    #[serde(default)]
    venue: Option<VenueId>,
    /// District of the office that reminds an organisation, a six-digit code of GB/T 2260; may be left out when the token is
    /// for one. Of a venue it is the venue's own.
    #[serde(default)]
    #[schema(minimum = 110_000, maximum = 829_999)]
    district: Option<u32>,
    /// The last day for it, in the city's time; today at the earliest, 90 days from now at the latest.
    #[serde(borrow)]
    #[schema(value_type = String, format = Date, example = "2022-06-10")]
    deadline: Text<'a>,
    /// What is to be said of it, up to 500 characters, without the name or number of a person: it is shown to the
    /// organisation as it is.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    note: Option<Text<'a>>,
}

impl<'a> Object<'a> for ReminderRequest<'a> {
    const FIELDS: &'static [Field] = &[
        REQUEST_ID,
        Field::required::<ReminderMatter>("matter", || one_of(ReminderMatter::ALL.iter().map(|word| word.as_str()))),
        Field::optional::<Option<String>>("organisation", || ORGANISATION.to_owned()),
        Field::optional::<Option<VenueId>>("venue", || VENUE.to_owned()),
        Field::optional::<Option<u32>>("district", || DISTRICT.to_owned()),
        Field::required::<String>("deadline", || DEADLINE.to_owned()),
        NOTE,
    ];
}

/// What an organisation does about a reminder.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReminderAnswerRequest<'a> {
    /// Identity of the answer: sent again with the same one, it is still one.
    #[serde(default)]
    request_id: Option<Uuid>,
    /// What it does.
    reply: ReminderReply,
    /// What it says to that, up to 500 characters, without the name or number of a person: it is shown as it is. Must be
    /// there with `objected`.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    note: Option<Text<'a>>,
}

impl<'a> Object<'a> for ReminderAnswerRequest<'a> {
    const FIELDS: &'static [Field] = &[
        REQUEST_ID,
        Field::required::<ReminderReply>("reply", || one_of(ReminderReply::ALL.iter().map(|word| word.as_str()))),
        NOTE,
    ];
}

/// What came of a reminder.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettlementRequest<'a> {
    /// Identity of the command: sent again with the same one, it is still one.
    #[serde(default)]
    request_id: Option<Uuid>,
    /// What came of it.
    outcome: ReminderOutcome,
    /// What is to be said of it, up to 500 characters, without the name or number of a person: it is shown to the
    /// organisation as it is.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    note: Option<Text<'a>>,
}

impl<'a> Object<'a> for SettlementRequest<'a> {
    const FIELDS: &'static [Field] = &[
        REQUEST_ID,
        Field::required::<ReminderOutcome>("outcome", || one_of(ReminderOutcome::ALL.iter().map(|word| word.as_str()))),
        NOTE,
    ];
}

/// Whose a venue is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// District.
    pub district: u32,
    /// Unified social credit code of its organisation, if the directory has one.
    pub organisation: Option<String>,
}

impl ReminderRequest<'_> {
    /// The event that reminds; `look_up` says whose a venue is.
    ///
    /// # Errors
    /// When a field holds what cannot be, or the district is outside the token's; the error names the field.
    pub fn check(
        self,
        sender: &Claims,
        city: &CityProfile,
        look_up: impl FnOnce(VenueId) -> Result<Owned, IngestError>,
        now_ms: i64,
    ) -> Result<ReminderEvent, IngestError> {
        if self.matter == ReminderMatter::NoFreightCode && city.freight.is_none() {
            return Err(IngestError::invalid("matter", "expected another one: the city has no codes for lorries"));
        }
        let due_at = due_at(&self.deadline, city, now_ms / 1000)?;
        let note = note::plain(self.note.as_ref())?;
        let own = sender.scope.district;
        let (field, owned, venue) = if self.matter.is_of_venue() {
            let (field, owned, venue) = self.of_venue(look_up)?;
            (field, owned, Some(venue))
        } else {
            let (field, owned) = self.of_organisation(own)?;
            (field, owned, None)
        };
        let Owned { district, organisation } = owned;
        check_district(&sender.scope, district, field)?;
        let nobody = "expected a venue of an organisation: the directory does not say whose this one is";
        let organisation = organisation.ok_or_else(|| IngestError::invalid(field, nobody))?;
        let by = sender.sub.clone();
        let reminder = ReminderEvent::derive_id(district, &by, self.request_id.unwrap_or_else(Uuid::now_v7));
        let sending = Sending { reminder, by, organisation, venue, matter: self.matter, due_at, note };
        Ok(ReminderEvent { v: VERSION, district, at_ms: now_ms, action: ReminderAction::Send(Box::new(sending)) })
    }

    fn of_venue(
        &self,
        look_up: impl FnOnce(VenueId) -> Result<Owned, IngestError>,
    ) -> Result<(&'static str, Owned, VenueId), IngestError> {
        if self.organisation.is_some() {
            let expected = "expected `venue` with this matter: whose it is the directory says";
            return Err(IngestError::invalid("organisation", expected));
        }
        if self.district.is_some() {
            return Err(IngestError::invalid("district", "expected only with `organisation`: a venue has its own"));
        }
        let venue = self.venue.ok_or_else(|| IngestError::missing("venue", VENUE))?;
        Ok(("venue", look_up(venue)?, venue))
    }

    fn of_organisation(&self, own: Option<u32>) -> Result<(&'static str, Owned), IngestError> {
        if self.venue.is_some() {
            return Err(IngestError::invalid("venue", "expected `organisation` with this matter"));
        }
        let code = self.organisation.as_ref().ok_or_else(|| IngestError::missing("organisation", ORGANISATION))?;
        if !is_credit_code(code) {
            return Err(IngestError::invalid("organisation", ORGANISATION));
        }
        // A token may be for a city or a province: then it does not say which district.
        let district = self.district.or_else(|| own.filter(|own| is_district(*own)));
        let district = district.ok_or_else(|| IngestError::missing("district", DISTRICT))?;
        if !is_district(district) {
            return Err(IngestError::invalid("district", DISTRICT));
        }
        Ok(("district", Owned { district, organisation: Some(code.to_string()) }))
    }
}

impl ReminderAnswerRequest<'_> {
    /// The answer of an organisation to a reminder, and the identity of the command.
    ///
    /// # Errors
    /// When the note cannot be, or is missing; the error names the field.
    pub fn check(
        self,
        reminder: Uuid,
        (by, organisation): (String, String),
    ) -> Result<(Uuid, ReminderAction), IngestError> {
        let note = note::plain(self.note.as_ref())?;
        if note.is_none() && self.reply == ReminderReply::Objected {
            return Err(IngestError::missing("note", "expected with the reply `objected`"));
        }
        let command = self.request_id.unwrap_or_else(Uuid::now_v7);
        let action = ReminderAction::Answer { reminder, command, by, organisation, reply: self.reply, note };
        Ok((command, action))
    }
}

impl SettlementRequest<'_> {
    /// What settles a reminder, and the identity of the command.
    ///
    /// # Errors
    /// When the note cannot be; the error names the field.
    pub fn check(self, reminder: Uuid, by: String) -> Result<(Uuid, ReminderAction), IngestError> {
        let (command, note) = (self.request_id.unwrap_or_else(Uuid::now_v7), note::plain(self.note.as_ref())?);
        Ok((command, ReminderAction::Settle { reminder, command, by, outcome: self.outcome, note }))
    }
}

/// The first second after a day of the city.
fn due_at(deadline: &str, city: &CityProfile, now: UnixSeconds) -> Result<UnixSeconds, IngestError> {
    let wrong = || IngestError::invalid("deadline", DEADLINE);
    // chrono would take "+2022-6-1" as well.
    let day: NaiveDate =
        Some(deadline).filter(|text| text.len() == 10).and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
    let days = (day - city.day_of(now).ok_or_else(wrong)?).num_days();
    if (0..=MAX_DAYS).contains(&days) { Ok(city.midnight(day) + DAY_S) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests;
