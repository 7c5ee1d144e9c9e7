//! A lorry's trip: what a driver declares in advance (S4 二.2), and what of it is checked. Pure; time is an argument.

use schemas::{
    PersonKey, Retention, TripEvent, UnixSeconds, VenueId,
    access::{Claims, Limit, Role},
    city::{Declares, FieldType, VenueKind},
    events::{Declaration, TripAction, VERSION},
    plate::PlateError,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use service::sealing::{self, Place};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    answers::Answers,
    config::City,
    error::IngestError,
    fields::{Field, Hidden, Object, Text},
    person::{Keys, People},
    registration::{ANSWERS, person_of},
    routes::commands::REQUEST_ID,
    time,
    venue_fields::VENUE,
};

/// A trip as a driver declares it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TripRequest<'a> {
    /// Identity of the request: sent again with the same one, it is still one trip.
    #[serde(default)]
    request_id: Option<Uuid>,
    /// The answers to the city's freight form, as `/v1/forms` lists its fields. Encrypted at the gateway.
    #[schema(value_type = Object)]
    answers: Map<String, Value>,
    /// Checkpoint by which the lorry is to enter, by its number; `/v1/checkpoints` of the query API lists them.
    #[serde(default)]
    checkpoint: Option<VenueId>,
    /// Destination, by its number.
    destination: VenueId,
    /// Expected arrival there, RFC 3339. When left out, the trip is due when the lorry is to leave.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "2022-06-01T18:00:00+08:00")]
    expected_arrival: Option<Text<'a>>,
}

/// Takes a trip back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancellationRequest<'a> {
    /// Identity of the command: sent again with the same one, it is still one.
    #[serde(default)]
    request_id: Option<Uuid>,
    /// Number plate of the lorry. It is hashed here and goes no further.
    #[serde(borrow)]
    #[schema(value_type = String, example = "豫B12345")]
    plate: Hidden<'a>,
}

impl<'a> Object<'a> for TripRequest<'a> {
    const FIELDS: &'static [Field] = &[
        REQUEST_ID,
        ANSWERS,
        Field::optional::<Option<VenueId>>("checkpoint", || VENUE.to_owned()),
        Field::required::<VenueId>("destination", || VENUE.to_owned()),
        Field::optional::<Option<String>>("expected_arrival", || time::EXPECTED.to_owned()),
    ];
}

impl<'a> Object<'a> for CancellationRequest<'a> {
    const FIELDS: &'static [Field] = &[REQUEST_ID, Field::required::<String>("plate", || PlateError.to_string())];
}

/// What the directory says of a place that a trip names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// What its code stands for.
    pub kind: VenueKind,
    /// Whether it is in use.
    pub is_active: bool,
    /// District.
    pub district: u32,
}

impl TripRequest<'_> {
    /// The checkpoint that is named.
    pub const fn checkpoint(&self) -> Option<VenueId> {
        self.checkpoint
    }

    /// Checks the declaration, and looks up the places that it names.
    ///
    /// # Errors
    /// When an answer cannot be, a place is not one of the freight loop, a time is over or too far away, or the token is
    /// for somebody else; the error names the field.
    pub fn check(
        &self,
        sender: &Claims,
        city: &City,
        people: &dyn People,
        mut look_up: impl FnMut(&'static str, VenueId) -> Result<Stop, IngestError>,
        now_ms: i64,
    ) -> Result<TripEvent, IngestError> {
        let (Some(form), Some(rules)) = (&city.profile.freight_form, &city.profile.freight) else {
            return Err(IngestError::NoFreight);
        };
        let answers = Answers::read(form, &self.answers)?;
        let driver = person_of(&answers, sender.scope.person, city.keys(people));
        if sender.scope.person.is_some_and(|own| own != driver) {
            return Err(IngestError::OutOfScope { field: "answers", limit: Limit::Person });
        }
        let mut stop = |field, venue, kind, expected: &'static str| {
            let stop = look_up(field, venue)?;
            let fits = stop.kind == kind && stop.is_active;
            if fits { Ok(stop) } else { Err(IngestError::invalid(field, expected)) }
        };
        if let Some(checkpoint) = self.checkpoint {
            let expected = "expected the number of a freight checkpoint that is in use";
            stop("checkpoint", checkpoint, VenueKind::FreightCheckpoint, expected)?;
        }
        let expected = "expected the number of a freight destination that is in use";
        let destination = stop("destination", self.destination, VenueKind::FreightDestination, expected)?;

        let plate = form.fields.iter().find(|field| field.kind == FieldType::Plate);
        let plate = plate.and_then(|field| answers.fields.get(&field.id)?.as_str()).unwrap_or_default();
        let vehicle = city.keys(people).vehicle("answers", plate)?;
        let at = |id: &str| answers.fields.get(id).and_then(|value| time::parse(value.as_str()?));
        let (expected_return, expected_leave) = (at("expected_return"), at("expected_leave"));
        let expected_arrival =
            self.expected_arrival.as_ref().map(|text| time::parse_field("expected_arrival", text)).transpose()?;
        let times = [
            ("expected_arrival", expected_arrival),
            ("answers.expected_leave", expected_leave),
            ("answers.expected_return", expected_return),
        ];
        let due_at =
            due_at(times, rules.overdue_after_minutes, Retention::of(&city.profile).trip_days(), now_ms / 1000)?;

        let request = self.request_id.unwrap_or_else(Uuid::now_v7);
        let trip = TripEvent::trip_id(destination.district, vehicle, driver, request);
        let text = serde_json::to_vec(&answers.fields).map_err(|_| IngestError::Internal)?;
        let declaration = Declaration {
            trip,
            driver,
            checkpoint: self.checkpoint,
            destination: self.destination,
            district: destination.district,
            expected_return,
            expected_arrival,
            expected_leave,
            due_at,
            symptoms: answers.declares.contains(&Declares::Symptoms),
            risk: answers.declares.contains(&Declares::Risk),
            sealed: sealing::seal(&city.identity_keys, Place { record: trip, field: "trip" }, &text)?,
        };
        Ok(TripEvent { v: VERSION, vehicle, at_ms: now_ms, action: TripAction::Declare(Box::new(declaration)) })
    }
}

impl CancellationRequest<'_> {
    /// The event that takes a trip back, and the identity of the command.
    ///
    /// # Errors
    /// When the plate is none.
    pub fn check(
        &self,
        trip: Uuid,
        sender: &Claims,
        keys: Keys<'_>,
        now_ms: i64,
    ) -> Result<(TripEvent, Uuid), IngestError> {
        let vehicle = keys.vehicle("plate", &self.plate)?;
        let command = self.request_id.unwrap_or_else(Uuid::now_v7);
        let by: Option<PersonKey> = sender.scope.person.filter(|_| sender.role == Role::Citizen);
        let action = TripAction::Cancel { trip, command, by };
        Ok((TripEvent { v: VERSION, vehicle, at_ms: now_ms, action }, command))
    }
}

/// When a trip must be closed: what the city allows beyond the first of these times that is given, within so many days.
fn due_at(
    times: [(&'static str, Option<UnixSeconds>); 3],
    overdue_after_minutes: u16,
    within_days: u16,
    now: UnixSeconds,
) -> Result<UnixSeconds, IngestError> {
    let given = times.into_iter().find_map(|(field, at)| Some((field, at?)));
    let (field, at) = given.ok_or_else(|| IngestError::missing("expected_arrival", time::EXPECTED))?;
    let due_at = at + i64::from(overdue_after_minutes) * 60;
    if at <= now || due_at > now + i64::from(within_days) * 86_400 {
        let minutes = i64::from(within_days) * 1_440 - i64::from(overdue_after_minutes);
        let (days, hours) = (minutes / 1_440, minutes % 1_440 / 60);
        let expected = format!("expected a time that is not over, at most {days} days and {hours} hours ahead");
        return Err(IngestError::invalid(field, expected));
    }
    Ok(due_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = 1_654_056_000;

    #[test]
    fn a_trip_is_due_a_while_after_the_first_time_that_is_given() {
        let due = |arrival, leave, back| {
            due_at([("arrival", arrival), ("leave", leave), ("return", back)], 60, 12, NOW)
                .map_err(|error| error.problem().field.unwrap_or_default())
        };
        let (soon, later) = (Some(NOW + 600), Some(NOW + 7200));
        assert_eq!(due(soon, later, None), Ok(NOW + 600 + 3600));
        assert_eq!(due(None, later, soon), Ok(NOW + 7200 + 3600));
        assert_eq!(due(None, None, soon), Ok(NOW + 600 + 3600));
        assert_eq!(due(None, None, None), Err("expected_arrival".to_owned()));
        assert_eq!(due(None, Some(NOW), None), Err("leave".to_owned()));
        assert_eq!(due(Some(NOW + 12 * 86_400), None, None), Err("arrival".to_owned()));
        let last = NOW + 12 * 86_400 - 3600;
        assert_eq!(due(Some(last), None, None), Ok(last + 3600));
        let told =
            due_at([("arrival", Some(last + 1)), ("", None), ("", None)], 60, 12, NOW).expect_err("too far away");
        assert!(told.problem().detail.is_some_and(|text| text.contains("at most 11 days and 23 hours ahead")));
    }
}
