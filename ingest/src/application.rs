//! An application for a venue code: what a client sends, and what of it is checked. Pure; time is an argument.
//!
//! Only the form is checked here. Quota, duplicates and reviews are the registry's, which knows what came before.

use schemas::{
    ApplicationEvent, PersonKey, UnixSeconds,
    access::Claims,
    city::{Application, ChannelKind, OrganisationKind, VenueKind},
    events::{ApplicationAction, Submission, VERSION, is_district},
    organisation::{is_credit_code, registered_in},
};
use serde::Deserialize;
use serde_json::json;
use service::sealing::{self, Place};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    config::City,
    error::IngestError,
    fields::{Field, Holds, Object, Text, check_plain_text, check_text, inner, one_of, optional_inner},
    person::{DOCUMENT, DocumentRequest, MAX_PERSON_CHARS, PERSON, PHONE, People, is_phone},
    scope, time,
    venue_fields::{
        DISTRICT, LATITUDE, LONGITUDE, MAX_ADDRESS_CHARS, MAX_DOOR_CHARS, MAX_NAME_CHARS, ORGANISATION, check_category,
        check_place,
    },
};

/// The longest event, in days: what lasts longer is a place.
const MAX_EVENT_DAYS: i64 = 366;

/// An application as clients send it. An event has `starts_at` and `ends_at`, nothing else has them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplicationRequest<'a> {
    /// Identity of the request: sent again with the same one, it is still one application.
    #[serde(default)]
    request_id: Option<Uuid>,
    /// The way it comes; each has a quota of its own.
    channel: ChannelKind,
    /// Who applies.
    #[serde(borrow, deserialize_with = "inner")]
    applicant: ApplicantRequest<'a>,
    /// For which organisation.
    #[serde(borrow, deserialize_with = "inner")]
    organisation: OrganisationRequest<'a>,
    /// Category, an id of the city profile; also says what the code is for: a place, a vehicle, an event, or freight.
    #[serde(borrow)]
    #[schema(value_type = String, example = "catering")]
    category: Text<'a>,
    /// Name as on the poster, up to 100 characters.
    #[serde(borrow)]
    #[schema(value_type = String, example = "人民广场茶馆")]
    name: Text<'a>,
    /// District, six-digit code of GB/T 2260.
    #[schema(example = 310_101)]
    district: u32,
    /// Detailed address, up to 200 characters.
    #[serde(borrow)]
    #[schema(value_type = String, example = "福州路1号")]
    address: Text<'a>,
    /// Door or point, up to 50 characters; for cities that give each door a code.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    door: Option<Text<'a>>,
    /// Latitude in degrees, WGS 84; only together with the longitude.
    #[serde(default)]
    latitude: Option<f64>,
    /// Longitude in degrees, WGS 84; only together with the latitude.
    #[serde(default)]
    longitude: Option<f64>,
    /// Start of an event, RFC 3339.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "2022-06-01T09:00:00+08:00")]
    starts_at: Option<Text<'a>>,
    /// End of an event, RFC 3339; its code is valid until then.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "2022-06-01T18:00:00+08:00")]
    ends_at: Option<Text<'a>>,
    /// Responsible person; encrypted at the gateway.
    #[serde(borrow, deserialize_with = "inner")]
    responsible: ResponsibleRequest<'a>,
}

/// Who applies: one of `person` and `document`, or none with a token that is for one person.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplicantRequest<'a> {
    /// As what, an id of the city profile: it says who may apply by which channel.
    #[serde(borrow)]
    #[schema(value_type = String, example = "agent")]
    kind: Text<'a>,
    /// Person key: 16 lower-case hex digits.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "1123456789abcdef")]
    person: Option<PersonKey>,
    /// Identity document.
    #[serde(borrow, default, deserialize_with = "optional_inner")]
    document: Option<DocumentRequest<'a>>,
}

/// An organisation.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrganisationRequest<'a> {
    /// Unified social credit code (GB 32100).
    #[serde(borrow)]
    #[schema(value_type = String)]
    credit_code: Text<'a>,
    /// Name, up to 100 characters.
    #[serde(borrow)]
    #[schema(value_type = String)]
    name: Text<'a>,
    /// Kind.
    kind: OrganisationKind,
}

/// A responsible person.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResponsibleRequest<'a> {
    /// Name, up to 50 characters.
    #[serde(borrow)]
    #[schema(value_type = String)]
    name: Text<'a>,
    /// Phone.
    #[serde(borrow)]
    #[schema(value_type = String)]
    phone: Text<'a>,
}

const APPLICANT: &[Field] = &[
    Field::required::<String>("kind", || "expected an id of the city profile as a text".to_owned()),
    PERSON,
    DOCUMENT,
];
const OF_ORGANISATION: &[Field] = &[
    Field::required::<String>("credit_code", || ORGANISATION.to_owned()),
    Field::required::<String>("name", || "expected the name as a text".to_owned()),
    Field::required::<OrganisationKind>("kind", || {
        one_of(["government", "public_service", "company", "sole_trader", "other"])
    }),
];
const RESPONSIBLE: &[Field] = &[
    Field::required::<String>("name", || "expected the name as a text".to_owned()),
    Field::required::<String>("phone", || PHONE.to_owned()),
];

impl<'a> Object<'a> for ApplicationRequest<'a> {
    const FIELDS: &'static [Field] = &[
        Field::optional::<Option<Uuid>>("request_id", || "expected a UUID".to_owned()),
        Field::required::<ChannelKind>("channel", || one_of(["mobile", "portal"])),
        Field { name: "applicant", required: true, holds: Holds::Object(APPLICANT) },
        Field { name: "organisation", required: true, holds: Holds::Object(OF_ORGANISATION) },
        Field::required::<String>("category", || "expected a category's id as a text".to_owned()),
        Field::required::<String>("name", || "expected the name as a text".to_owned()),
        Field::required::<u32>("district", || DISTRICT.to_owned()),
        Field::required::<String>("address", || "expected the address as a text".to_owned()),
        Field::optional::<Option<String>>("door", || "expected a text".to_owned()),
        Field::optional::<Option<f64>>("latitude", || LATITUDE.to_owned()),
        Field::optional::<Option<f64>>("longitude", || LONGITUDE.to_owned()),
        Field::optional::<Option<String>>("starts_at", || time::EXPECTED.to_owned()),
        Field::optional::<Option<String>>("ends_at", || time::EXPECTED.to_owned()),
        Field { name: "responsible", required: true, holds: Holds::Object(RESPONSIBLE) },
    ];
}

impl ApplicationRequest<'_> {
    /// Checks the form and makes the command of it.
    ///
    /// # Errors
    /// When a field holds what cannot be, or the applicant is not the sender's person; the error names it.
    pub fn check(
        &self,
        sender: &Claims,
        city: &City,
        people: &dyn People,
        now_ms: i64,
    ) -> Result<ApplicationEvent, IngestError> {
        check_text("name", &self.name, MAX_NAME_CHARS)?;
        check_text("address", &self.address, MAX_ADDRESS_CHARS)?;
        if let Some(door) = &self.door {
            check_plain_text("door", door, MAX_DOOR_CHARS)?;
        }
        let kind = check_category(&city.profile, &self.category)?.kind;
        if !is_district(self.district) {
            return Err(IngestError::invalid("district", DISTRICT));
        }
        check_place(self.latitude, self.longitude)?;
        let organisation = &self.organisation;
        if !is_credit_code(&organisation.credit_code) {
            return Err(IngestError::invalid("organisation.credit_code", ORGANISATION));
        }
        check_plain_text("organisation.name", &organisation.name, MAX_NAME_CHARS)?;
        self.check_eligible(&city.profile.application)?;
        self.responsible.check()?;
        let (starts_at, ends_at) = self.times(kind, now_ms / 1000)?;
        let applicant = &self.applicant;
        let named = applicant.document.as_ref();
        let (applicant, _) = scope::person(sender, applicant.person, named, city.keys(people))?;

        let request = self.request_id.unwrap_or_else(Uuid::now_v7);
        let command = ApplicationEvent::application_id(&organisation.credit_code, request);
        let responsible = json!({"name": &*self.responsible.name, "phone": &*self.responsible.phone}).to_string();
        let place = Place { record: command, field: "responsible" };
        let submission = Submission {
            channel: self.channel,
            applicant,
            applicant_kind: self.applicant.kind.to_string(),
            organisation_name: organisation.name.to_string(),
            organisation_kind: organisation.kind,
            kind,
            category: self.category.to_string(),
            name: self.name.to_string(),
            district: self.district,
            address: self.address.to_string(),
            door: self.door.as_ref().map(|door| door.to_string()),
            latitude: self.latitude,
            longitude: self.longitude,
            starts_at,
            ends_at,
            sealed: sealing::seal(&city.identity_keys, place, responsible.as_bytes())?,
        };
        Ok(ApplicationEvent {
            v: VERSION,
            command,
            organisation: organisation.credit_code.to_string(),
            at_ms: now_ms,
            action: ApplicationAction::Submit(Box::new(submission)),
        })
    }

    /// Whether the city has the channel, and lets this organisation and this applicant in by it (S0).
    fn check_eligible(&self, rules: &Application) -> Result<(), IngestError> {
        let Some(channel) = rules.channel(self.channel) else {
            return Err(IngestError::invalid("channel", "expected another one: the city does not have this channel"));
        };
        if !channel.applicants.iter().any(|id| *id == *self.applicant.kind) {
            let expected = format!("expected one of {}", channel.applicants.join(", "));
            return Err(IngestError::invalid("applicant.kind", expected));
        }
        if !rules.organisations.is_empty() && !rules.organisations.contains(&self.organisation.kind) {
            return Err(IngestError::invalid("organisation.kind", "expected a kind that the city gives codes to"));
        }
        let province = registered_in(&self.organisation.credit_code);
        if province.is_some_and(|province| !rules.registered_in.is_empty() && !rules.registered_in.contains(&province))
        {
            let expected =
                "expected an organisation that is registered in the city, as characters 3 to 8 of its code say";
            return Err(IngestError::invalid("organisation.credit_code", expected));
        }
        Ok(())
    }

    fn times(
        &self,
        kind: VenueKind,
        now: UnixSeconds,
    ) -> Result<(Option<UnixSeconds>, Option<UnixSeconds>), IngestError> {
        let read = |field, text: &Option<Text<'_>>| text.as_ref().map(|t| time::parse_field(field, t)).transpose();
        let (starts_at, ends_at) = (read("starts_at", &self.starts_at)?, read("ends_at", &self.ends_at)?);
        if kind != VenueKind::Event {
            return match (starts_at, ends_at) {
                (None, None) => Ok((None, None)),
                (Some(_), _) => Err(IngestError::invalid("starts_at", "expected only with a category of events")),
                (None, Some(_)) => Err(IngestError::invalid("ends_at", "expected only with a category of events")),
            };
        }
        let starts_at = starts_at.ok_or_else(|| IngestError::missing("starts_at", "expected of an event"))?;
        let ends_at = ends_at.ok_or_else(|| IngestError::missing("ends_at", "expected of an event"))?;
        if starts_at < time::YEAR_2000 {
            return Err(IngestError::invalid("starts_at", "expected a time after 1999"));
        }
        if ends_at <= starts_at.max(now) || ends_at - starts_at > MAX_EVENT_DAYS * 86_400 {
            let expected = format!("expected a time that is not over, at most {MAX_EVENT_DAYS} days after `starts_at`");
            return Err(IngestError::invalid("ends_at", expected));
        }
        Ok((Some(starts_at), Some(ends_at)))
    }
}

impl ResponsibleRequest<'_> {
    fn check(&self) -> Result<(), IngestError> {
        check_text("responsible.name", &self.name, MAX_PERSON_CHARS)?;
        if is_phone(&self.phone) { Ok(()) } else { Err(IngestError::invalid("responsible.phone", PHONE)) }
    }
}
