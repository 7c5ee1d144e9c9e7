//! `GET /v1/codes/{code}`: what a venue code stands for.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use schemas::{VenueCode, VenueId};
use serde::Serialize;
use service::{Caller, Problem, http::Segment};
use utoipa::ToSchema;

use super::json;
use crate::{
    error::IngestError,
    fields::segment,
    refusals::LookUpRefusals,
    scope::check_venue,
    state::{Gateway, now_ms},
};

/// The venue that a code stands for.
#[derive(Debug, Serialize, ToSchema)]
pub struct CodeAnswer<'a> {
    /// Its number.
    venue: VenueId,
    /// Its name.
    name: &'a str,
    /// Its category, an id of the city profile.
    category: &'a str,
    /// Its district.
    district: u32,
    /// Its address.
    address: &'a str,
    /// Door or point.
    door: Option<&'a str>,
    /// Latitude in degrees (WGS 84), to within two metres; null when it is not known.
    latitude: Option<f64>,
    /// Longitude in degrees.
    longitude: Option<f64>,
    /// The code as a URL.
    url: String,
}

/// Looks up a venue code
#[utoipa::path(get, path = "/v1/codes/{code}", tag = "codes",
    params(("code" = String, Path, pattern = "^[0-9A-TV-Za-tv-z]{17}$", description = "Venue code of 17 characters")),
    responses(
        (status = 200, description = "The venue", body = CodeAnswer<'static>),
        (status = 404, description = "`unknown-venue`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`revoked-code`, or `code-not-in-force` when its event is over", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`mistyped-code`", body = Problem, content_type = "application/problem+json"),
        LookUpRefusals,
    ))]
pub async fn get(State(gateway): State<Arc<Gateway>>, caller: Caller, code: Segment) -> Result<Response, IngestError> {
    gateway.metrics.code_requests.increment(1);
    gateway.let_in(caller.subject(), 1)?;
    let city = &gateway.city;
    let code = VenueCode::verify(&segment(code, "code")?, &city.codes.keys)?;
    let answer = gateway.tables.with_venue(code.venue, |venue| {
        check_venue(caller.scope(), code.venue, venue, "code")?;
        let venue = venue.ok_or(IngestError::UnknownVenue { field: "code" })?;
        if !venue.active || venue.serial != code.serial {
            return Err(IngestError::RevokedCode { field: "code" });
        }
        if venue.is_over_at(now_ms() / 1000) {
            return Err(IngestError::CodeNotInForce { field: "code" });
        }
        let place = venue.place();
        let answer = CodeAnswer {
            venue: code.venue,
            name: venue.name(),
            category: venue.category(&city.profile),
            district: venue.district,
            address: venue.address(),
            door: venue.door(),
            latitude: place.map(|place| place.latitude),
            longitude: place.map(|place| place.longitude),
            url: city.codes.url(code),
        };
        serde_json::to_vec(&answer).map_err(|_| IngestError::Internal)
    })?;
    Ok(json(answer))
}
