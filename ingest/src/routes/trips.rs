//! `POST /v1/trips` and `/v1/trips/{id}/cancellation`: written down here; what becomes of a trip the processor's freight
//! loop says.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use schemas::TripEvent;
use service::{Caller, Problem, http::Segment, openapi::IdOfDistrict};
use uuid::Uuid;

use super::{
    commands::{self, Command, CommandAnswer},
    district,
};
use crate::{
    error::IngestError,
    fields::read,
    refusals::ObjectRefusals,
    scope::check_venue,
    state::{Gateway, now_ms},
    trip::{CancellationRequest, Stop, TripRequest},
};

/// Declares a lorry's trip in advance
///
/// By the driver, or by staff for a driver who stands there. The answer means that the trip is kept; a lorry has one open
/// trip at a time, and a second one is noted as refused. Its state can be followed on the query API. Sent again with the
/// same `request_id`, it is still one. What the driver answers is encrypted before it is kept, and comes back from no route.
#[utoipa::path(post, path = "/v1/trips", tag = "trips",
    request_body(content = TripRequest<'static>, content_type = "application/json"),
    responses(
        (status = 202, description = "Kept; `command` is the trip's identity", body = CommandAnswer),
        (status = 404, description = "`unknown-venue`, or `no-freight` in a city without codes for lorries", body = Problem, content_type = "application/problem+json"),
        ObjectRefusals,
    ))]
pub async fn declare(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    request: Request,
) -> Result<Response, IngestError> {
    take(&gateway, &caller, request, |body| {
        let request = read::<TripRequest<'_>>(body)?;
        if !caller.scope().has_every_venue() && request.checkpoint().is_none() {
            return Err(IngestError::missing("checkpoint", "expected with a token that is limited to some venues"));
        }
        let look_up = |field, id| {
            gateway.tables.with_venue(id, |venue| {
                if field == "checkpoint" {
                    check_venue(caller.scope(), id, venue, field)?;
                }
                let venue = venue.ok_or(IngestError::UnknownVenue { field })?;
                let kind = venue.kind(&gateway.city.profile);
                Ok(Stop { kind, is_active: venue.active, district: venue.district })
            })
        };
        let event = request.check(caller.claims(), &gateway.city, &*gateway, look_up, now_ms())?;
        let trip = event.trip().ok_or(IngestError::Internal)?;
        Ok(command(event, trip, trip))
    })
    .await
}

/// Takes a trip back on which the lorry has not entered yet
///
/// By the driver, or by staff. Of a lorry that has entered it changes nothing and is noted as refused. A trip that this lorry
/// has not is refused at once; one that was declared by another gateway is known here within a second.
#[utoipa::path(post, path = "/v1/trips/{id}/cancellation", tag = "trips",
    params(IdOfDistrict),
    request_body(content = CancellationRequest<'static>, content_type = "application/json"),
    responses(
        (status = 202, description = "Kept, to be decided", body = CommandAnswer),
        (status = 404, description = "`unknown-trip`, or `no-freight` in a city without codes for lorries", body = Problem, content_type = "application/problem+json"),
        ObjectRefusals,
    ))]
pub async fn cancel(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    id: Segment,
    request: Request,
) -> Result<Response, IngestError> {
    take(&gateway, &caller, request, |body| {
        let (trip, _) = district::identity(id, "expected a trip's identity", TripEvent::district_of)?;
        let request = read::<CancellationRequest<'_>>(body)?;
        let (event, identity) = request.check(trip, caller.claims(), gateway.city.keys(&*gateway), now_ms())?;
        let known = gateway.trips.as_ref().ok_or(IngestError::NoFreight)?;
        let driver = known.driver_of(event.vehicle, trip).ok_or(IngestError::NotReady)?;
        // Another driver's trip is none for this one.
        if driver.is_none() || caller.scope().person.is_some_and(|own| driver != Some(own)) {
            return Err(IngestError::UnknownTrip);
        }
        Ok(command(event, identity, trip))
    })
    .await
}

async fn take(
    gateway: &Gateway,
    caller: &Caller,
    request: Request,
    read: impl FnOnce(&[u8]) -> Result<Command<TripEvent>, IngestError>,
) -> Result<Response, IngestError> {
    let (event, response) = commands::take_event(gateway, caller, request, &gateway.topics.trips, read).await?;
    gateway.note_trip(&event);
    Ok(response)
}

fn command(event: TripEvent, identity: Uuid, trip: Uuid) -> Command<TripEvent> {
    let answer = CommandAnswer::new(identity, "/v1/trips", trip);
    Command { key: event.vehicle.to_string(), event, answer }
}
