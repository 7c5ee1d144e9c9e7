//! `POST /v1/venues:batch`: loads the venue directory, and answers with each venue's code.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use schemas::{
    CityProfile, VenueCode, VenueEvent, VenueId,
    events::{self, VenueStatus, is_district},
    organisation::is_credit_code,
};
use serde::{Deserialize, Serialize};
use service::Caller;
use utoipa::ToSchema;

use crate::{
    error::IngestError,
    feed,
    fields::{Field, Object, Text, check_plain_text, check_text, one_of, read},
    ndjson::{BatchAnswer, Receipt},
    refusals::BatchRefusals,
    state::Gateway,
    tables::Table,
    venue_fields::{
        DISTRICT, LATITUDE, LONGITUDE, MAX_ADDRESS_CHARS, MAX_DOOR_CHARS, MAX_NAME_CHARS, ORGANISATION, VENUE,
        check_category, check_place,
    },
};

/// A venue of the directory.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VenueLine<'a> {
    /// Its number.
    #[schema(example = 7)]
    venue: VenueId,
    /// Name as on the poster, up to 100 characters.
    #[serde(borrow)]
    #[schema(value_type = String, example = "人民广场茶馆")]
    name: Text<'a>,
    /// Category, an id of the city profile.
    #[serde(borrow)]
    #[schema(value_type = String, example = "catering")]
    category: Text<'a>,
    /// District, six-digit code of GB/T 2260.
    #[schema(example = 310_101)]
    district: u32,
    /// Detailed address, up to 200 characters.
    #[serde(borrow)]
    #[schema(value_type = String, example = "福州路1号")]
    address: Text<'a>,
    /// Door or point, up to 50 characters.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    door: Option<Text<'a>>,
    /// Unified social credit code (GB 32100) of the organisation that runs it.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    organisation: Option<Text<'a>>,
    /// Latitude in degrees, WGS 84; only together with the longitude.
    #[serde(default)]
    latitude: Option<f64>,
    /// Longitude in degrees, WGS 84; only together with the latitude.
    #[serde(default)]
    longitude: Option<f64>,
    /// Whether it is in use.
    #[serde(default = "active")]
    status: VenueStatus,
    /// Issue number of its code; raising it revokes the older posters.
    #[serde(default)]
    serial: u8,
}

const fn active() -> VenueStatus {
    VenueStatus::Active
}

impl<'a> Object<'a> for VenueLine<'a> {
    const FIELDS: &'static [Field] = &[
        Field::required::<VenueId>("venue", || VENUE.to_owned()),
        Field::required::<String>("name", || "expected the name as a text".to_owned()),
        Field::required::<String>("category", || "expected a category's id as a text".to_owned()),
        Field::required::<u32>("district", || DISTRICT.to_owned()),
        Field::required::<String>("address", || "expected the address as a text".to_owned()),
        Field::optional::<Option<String>>("door", || "expected a text".to_owned()),
        Field::optional::<Option<String>>("organisation", || ORGANISATION.to_owned()),
        Field::optional::<Option<f64>>("latitude", || LATITUDE.to_owned()),
        Field::optional::<Option<f64>>("longitude", || LONGITUDE.to_owned()),
        Field::optional::<VenueStatus>("status", || one_of(["active", "revoked"])),
        Field::optional::<u8>("serial", || "expected an issue number from 0 to 255".to_owned()),
    ];
}

/// The outcome of an accepted venue.
#[derive(Debug, Serialize, ToSchema)]
pub struct VenueReceipt {
    /// Its number.
    venue: VenueId,
    /// Its signed code.
    #[schema(example = "1000003R0GX2M4T5A")]
    code: String,
    /// The code as a URL, for the poster.
    #[schema(example = "HTTPS://CODE.EXAMPLE/V/1000003R0GX2M4T5A")]
    url: String,
}

impl Receipt for VenueReceipt {
    fn write(&self, out: &mut Vec<u8>) {
        // Code and URL have no character that JSON escapes: checked at start.
        let Self { venue, code, url } = self;
        out.extend_from_slice(format!("\"venue\":{venue},\"code\":\"{code}\",\"url\":\"{url}\"").as_bytes());
    }
}

/// Takes up to 10,000 venues, one JSON object per line
///
/// Each line has its own outcome, with the venue's code; a broken one does not stop the others. A venue that
/// is there already is replaced.
#[utoipa::path(post, path = "/v1/venues:batch", tag = "feeds",
    request_body(content = VenueLine<'static>, content_type = "application/x-ndjson"),
    responses(
        (status = 200, description = "The outcome of each line", body = BatchAnswer<VenueReceipt>),
        BatchRefusals,
    ))]
pub async fn post(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    request: Request,
) -> Result<Response, IngestError> {
    let (gateway, city) = (&*gateway, &gateway.city);
    feed::take_batch(gateway, caller.subject(), request, Table::Venues, |line, messages| {
        let event = read::<VenueLine<'_>>(line)?.check(&city.profile)?;
        messages.push(event.venue.to_string().as_bytes(), &event)?;
        let code = VenueCode { venue: event.venue, serial: event.serial }.sign(&city.codes.keys).to_string();
        let url = format!("{}{code}", city.codes.base_url);
        Ok(VenueReceipt { venue: event.venue, code, url })
    })
    .await
}

impl VenueLine<'_> {
    fn check(&self, city: &CityProfile) -> Result<VenueEvent, IngestError> {
        check_text("name", &self.name, MAX_NAME_CHARS)?;
        check_text("address", &self.address, MAX_ADDRESS_CHARS)?;
        if let Some(door) = &self.door {
            check_plain_text("door", door, MAX_DOOR_CHARS)?;
        }
        check_category(city, &self.category)?;
        if !is_district(self.district) {
            return Err(IngestError::invalid("district", DISTRICT));
        }
        if self.organisation.as_deref().is_some_and(|code| !is_credit_code(code)) {
            return Err(IngestError::invalid("organisation", ORGANISATION));
        }
        check_place(self.latitude, self.longitude)?;
        let owned = |text: &Option<Text<'_>>| text.as_ref().map(|t| t.to_string());
        Ok(VenueEvent {
            v: events::VERSION,
            venue: self.venue,
            serial: self.serial,
            status: self.status,
            name: self.name.to_string(),
            category: self.category.to_string(),
            district: self.district,
            address: self.address.to_string(),
            door: owned(&self.door),
            organisation: owned(&self.organisation),
            latitude: self.latitude,
            longitude: self.longitude,
            valid_from: None,
            valid_until: None,
            revision: None,
        })
    }
}
