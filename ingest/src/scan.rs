//! One scan: what a client sends, what is checked and what is decided. Pure; time is an argument.

use schemas::{
    Colour, Direction, Method, PersonKey, Place, PlateKey, Reasons, ScanEvent, UnixSeconds, VenueCode, VenueId,
    Verdict,
    access::Claims,
    admission::{Arrival, Claim, Health, decide},
    city::VenueKind,
    eligibility,
    events::{FreightScan, FreightStop},
    plate::PlateError,
};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    config::{City, LimitConfig},
    error::IngestError,
    fields::{Field, Hidden, Object, Text, one_of, optional_inner},
    person::{DOCUMENT, DocumentRequest, PERSON, People},
    recognition::Proof,
    scope,
    tables::Venue,
    time,
    venue_fields::{LATITUDE, LONGITUDE, VENUE, check_place},
};

/// A scan as clients send it. Exactly one of `code` and `venue`, exactly one of `person` and `document`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScanRequest<'a> {
    /// Venue code of 17 characters, or its URL.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "HTTPS://CODE.EXAMPLE/V/1000003R0GX2M4T5A")]
    code: Option<Text<'a>>,
    /// Number of the venue; for trusted devices and imports.
    #[serde(default)]
    venue: Option<VenueId>,
    /// Person key: 16 lower-case hex digits.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "1123456789abcdef")]
    person: Option<PersonKey>,
    /// Identity document.
    #[serde(borrow, default, deserialize_with = "optional_inner")]
    document: Option<DocumentRequest<'a>>,
    /// How the scan was made.
    #[serde(default = "venue_code")]
    method: Method,
    /// In or out.
    #[serde(default = "entry")]
    direction: Direction,
    /// When the scan was made, RFC 3339; now, when left out.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "2022-06-01T12:00:00+08:00")]
    scanned_at: Option<Text<'a>>,
    /// Identity of the scan: sent again with the same one, it is still one scan. When left out, it is made of
    /// person, venue, time, method, direction and lorry.
    #[serde(default)]
    event_id: Option<Uuid>,
    /// Whether the person declares fever, cough or contact with a case.
    #[serde(default)]
    symptoms: bool,
    /// Exemption that is claimed: an id of the city profile.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "urgent_medical")]
    exemption: Option<Text<'a>>,
    /// Why others register the person, with `reverse_scan` and `manual`: an id of the city profile. May be left out
    /// when an identity card's number tells by the age.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "senior")]
    offline_reason: Option<Text<'a>>,
    /// The last four characters of the person's registered document, where the city asks for them when a code is
    /// scanned after the first time.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "001X")]
    last_four: Option<Hidden<'a>>,
    /// Number plate of the lorry, at freight checkpoints and destinations and nowhere else. It is hashed here and goes no
    /// further.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "豫B12345")]
    plate: Option<Hidden<'a>>,
    /// Latitude of the phone in degrees, WGS 84, with the longitude or not at all. It is held against the venue's place and
    /// goes no further: what is kept is whether it was far away.
    #[serde(default)]
    #[schema(minimum = -90, maximum = 90, example = 31.2304)]
    latitude: Option<f64>,
    /// Longitude of the phone in degrees, WGS 84.
    #[serde(default)]
    #[schema(minimum = -180, maximum = 180, example = 121.4737)]
    longitude: Option<f64>,
}

const fn venue_code() -> Method {
    Method::VenueCode
}

const fn entry() -> Direction {
    Direction::Entry
}

impl<'a> Object<'a> for ScanRequest<'a> {
    const FIELDS: &'static [Field] = &[
        Field::optional::<Option<String>>("code", || "expected a venue code of 17 characters, or its URL".to_owned()),
        Field::optional::<Option<VenueId>>("venue", || VENUE.to_owned()),
        PERSON,
        DOCUMENT,
        Field::optional::<Method>("method", || one_of(Method::ALL.iter().map(|m| m.as_str()))),
        Field::optional::<Direction>("direction", || one_of(Direction::ALL.iter().map(|d| d.as_str()))),
        Field::optional::<Option<String>>("scanned_at", || time::EXPECTED.to_owned()),
        Field::optional::<Option<Uuid>>("event_id", || "expected a UUID".to_owned()),
        Field::optional::<bool>("symptoms", || "expected true or false".to_owned()),
        Field::optional::<Option<String>>("exemption", || "expected an id of the city profile, or none".to_owned()),
        Field::optional::<Option<String>>("offline_reason", || "expected an id of the city profile".to_owned()),
        Field::optional::<Option<String>>("last_four", || "expected four characters as a text".to_owned()),
        Field::optional::<Option<String>>("plate", || PlateError.to_string()),
        Field::optional::<Option<f64>>("latitude", || LATITUDE.to_owned()),
        Field::optional::<Option<f64>>("longitude", || LONGITUDE.to_owned()),
    ];
}

/// A scan whose own fields are in order; its venue is still to be looked up.
#[derive(Debug, Clone, Copy)]
pub struct Scan {
    /// Where.
    pub venue: VenueId,
    /// Who.
    pub person: PersonKey,
    /// Issue number of the code that was scanned; `None` when the venue was given by number.
    serial: Option<u8>,
    method: Method,
    direction: Direction,
    at: UnixSeconds,
    event_id: Option<Uuid>,
    symptoms: bool,
    claim: Option<Claim>,
    /// The lorry, if a plate was given.
    vehicle: Option<PlateKey>,
    /// Where the phone says it is.
    phone_at: Option<Place>,
    /// What it shows of the person.
    pub proof: Proof,
}

/// A scan that is accepted once Kafka has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// What goes to Kafka.
    pub event: ScanEvent,
    /// The health that the verdict rests on; unknown when it came too late for one.
    pub health: Health,
    /// Hours within which the rule in force asks for a test.
    pub test_within_hours: Option<u16>,
}

impl ScanRequest<'_> {
    /// Checks everything that needs no table but those of people: who is whose guardian when the scan names somebody else than
    /// the sender, and who is known under which key while keys rotate.
    ///
    /// # Errors
    /// When fields contradict each other, the code is forged, the document's number wrong, the time out of
    /// range, or the sender may not send this.
    pub fn check(
        &self,
        sender: &Claims,
        city: &City,
        limits: &LimitConfig,
        people: &dyn People,
        now_ms: i64,
    ) -> Result<Scan, IngestError> {
        let (venue, serial) = match (&self.code, self.venue) {
            (Some(code), None) => {
                let code = VenueCode::verify(code, &city.codes.keys)?;
                (code.venue, Some(code.serial))
            }
            (None, Some(venue)) => (venue, None),
            (None, None) => return Err(IngestError::missing("code", "expected `code` or `venue`")),
            (Some(_), Some(_)) => return Err(IngestError::invalid("venue", "expected `code` or `venue`, not both")),
        };
        scope::check_method(sender, self.method, serial.is_none())?;
        let (named, keys) = ((self.person, self.document.as_ref()), city.keys(people));
        let (person, document) = if self.method == Method::Manual {
            scope::person_or_dependant(sender, named.0, named.1, keys)?
        } else {
            scope::person(sender, named.0, named.1, keys)?
        };
        let at = self.scanned_at(limits, now_ms / 1000)?;
        let born = || Some((document.as_ref()?.birth_date()?, city.profile.day_of(at)?));
        check_place(self.latitude, self.longitude)?;
        eligibility::check(&city.profile, self.method, self.offline_reason.as_deref(), born)?;
        Ok(Scan {
            venue,
            person,
            serial,
            method: self.method,
            direction: self.direction,
            at,
            event_id: self.event_id,
            symptoms: self.symptoms,
            claim: self.claim(city)?,
            vehicle: self.plate.as_ref().map(|plate| keys.vehicle("plate", plate)).transpose()?,
            phone_at: self.latitude.zip(self.longitude).map(|(latitude, longitude)| Place { latitude, longitude }),
            proof: Proof::read(sender, city, self.method, person, document.as_ref(), self.last_four.as_deref())?,
        })
    }

    fn claim(&self, city: &City) -> Result<Option<Claim>, IngestError> {
        let Some(id) = self.exemption.as_deref().filter(|id| *id != "none") else { return Ok(None) };
        city.policy.claim(id).map(Some).ok_or_else(|| {
            let ids: Vec<_> = ["none"].into_iter().chain(city.policy.claims()).collect();
            IngestError::invalid("exemption", format!("expected one of {}", ids.join(", ")))
        })
    }

    fn scanned_at(&self, limits: &LimitConfig, now: UnixSeconds) -> Result<UnixSeconds, IngestError> {
        let Some(text) = &self.scanned_at else { return Ok(now) };
        let at = time::parse_field("scanned_at", text)?;
        let (max_ahead_s, max_days) = (limits.max_ahead_s, limits.max_scan_age_days);
        if at > now + i64::from(max_ahead_s) {
            let expected = format!("expected a time not more than {max_ahead_s} s in the future");
            return Err(IngestError::invalid("scanned_at", expected));
        }
        if at < (now - i64::from(max_days) * 86_400).max(time::YEAR_2000) {
            let expected = format!("expected a time not more than {max_days} days ago, and after 1999");
            return Err(IngestError::invalid("scanned_at", expected));
        }
        Ok(at)
    }
}

impl Scan {
    /// Decides, given what the tables say.
    ///
    /// # Errors
    /// When there is no such venue, or its code was issued anew since, or it is closed.
    pub fn accept(
        &self,
        venue: Option<&Venue>,
        health: Health,
        city: &City,
        limits: &LimitConfig,
        now_ms: i64,
    ) -> Result<Accepted, IngestError> {
        let field = if self.serial.is_some() { "code" } else { "venue" };
        let venue = venue.ok_or(IngestError::UnknownVenue { field })?;
        if !venue.active || self.serial.is_some_and(|serial| serial != venue.serial) {
            return Err(IngestError::RevokedCode { field });
        }
        if !venue.is_valid_at(self.at) {
            return Err(IngestError::CodeNotInForce { field });
        }
        let late = now_ms / 1000 - self.at > i64::from(limits.late_after_s);
        let (verdict, reasons, colour, health, test_within_hours) = if late {
            (Verdict::Recorded, Reasons::NONE, Colour::Unknown, Health::UNKNOWN, None)
        } else {
            let class = venue.class(&city.policy).ok_or(IngestError::Internal)?;
            let arrival = Arrival { class, at: self.at, claim: self.claim, symptoms: self.symptoms };
            let decision = decide(&city.policy, &arrival, &health);
            (decision.verdict, decision.reasons, decision.colour, health, decision.test_within_hours)
        };
        let event_id = self.event_id.unwrap_or_else(|| {
            let id = ScanEvent::derive_id(self.person, self.venue, self.at, self.method, self.direction);
            self.vehicle.map_or(id, |vehicle| ScanEvent::derive_id_with(id, vehicle))
        });
        let event = ScanEvent {
            v: ScanEvent::version(),
            event_id,
            person: self.person,
            venue: self.venue,
            method: self.method,
            direction: self.direction,
            scanned_at: self.at,
            accepted_at_ms: now_ms,
            verdict,
            reasons,
            colour,
            exemption: city.policy.stored(self.claim),
            far_from_venue: self.is_far_from(venue, city),
            freight: None,
        };
        Ok(Accepted { event, health, test_within_hours })
    }

    /// Whether the phone is too far from the venue to be at it. A vehicle is nowhere for long.
    fn is_far_from(&self, venue: &Venue, city: &City) -> bool {
        let Some(phone_at) = self.phone_at else { return false };
        let stands = venue.kind(&city.profile) != VenueKind::Vehicle;
        let far_m = f64::from(city.profile.plausibility.far_m);
        stands && venue.place().is_some_and(|place| place.distance_m(phone_at) > far_m)
    }

    /// The lorry, where the venue is one of the freight loop (S4 一.2).
    ///
    /// # Errors
    /// When a plate is missing there, or given anywhere else.
    pub fn freight_at(&self, venue: &Venue, city: &City) -> Result<Option<FreightScan>, IngestError> {
        let stop = match venue.kind(&city.profile) {
            VenueKind::FreightCheckpoint => FreightStop::Checkpoint,
            VenueKind::FreightDestination => FreightStop::Destination,
            VenueKind::Place | VenueKind::Vehicle | VenueKind::Event => {
                let expected = "expected only at freight checkpoints and destinations";
                return self.vehicle.map_or(Ok(None), |_| Err(IngestError::invalid("plate", expected)));
            }
        };
        let vehicle = self.vehicle.ok_or_else(|| IngestError::missing("plate", PlateError.to_string()))?;
        Ok(Some(FreightScan { vehicle, stop }))
    }
}

#[cfg(test)]
mod tests;
