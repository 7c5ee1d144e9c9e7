//! `POST /v1/venues/{venue}/revocation` and `/reissue`: the codes of venues that were applied for.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use schemas::{VenueId, events::ApplicationAction};
use service::{Caller, Problem, http::Segment};

use super::{
    applications::{CommandRequest, event, take},
    commands::CommandAnswer,
};
use crate::{
    error::IngestError,
    fields::{read, segment},
    refusals::ObjectRefusals,
    state::Gateway,
    venue_fields::VENUE,
};

/// Revokes a venue's code
///
/// Posters with it are refused within a second or two, and the place may be applied for again.
#[utoipa::path(post, path = "/v1/venues/{venue}/revocation", tag = "applications",
    params(("venue" = VenueId, Path, description = "The venue")),
    request_body(content = CommandRequest<'static>, content_type = "application/json"),
    responses(
        (status = 202, description = "Kept, to be decided", body = CommandAnswer),
        (status = 404, description = "`unknown-venue`", body = Problem, content_type = "application/problem+json"),
        ObjectRefusals,
    ))]
pub async fn revoke(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    venue: Segment,
    request: Request,
) -> Result<Response, IngestError> {
    command(&gateway, &caller, venue, request, |venue| ApplicationAction::Revoke { venue, within: None }).await
}

/// Issues a venue's code anew
///
/// The new code is valid within a second or two; posters with the older one are refused from then on.
#[utoipa::path(post, path = "/v1/venues/{venue}/reissue", tag = "applications",
    params(("venue" = VenueId, Path, description = "The venue")),
    request_body(content = CommandRequest<'static>, content_type = "application/json"),
    responses(
        (status = 202, description = "Kept, to be decided", body = CommandAnswer),
        (status = 404, description = "`unknown-venue`", body = Problem, content_type = "application/problem+json"),
        ObjectRefusals,
    ))]
pub async fn reissue(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    venue: Segment,
    request: Request,
) -> Result<Response, IngestError> {
    command(&gateway, &caller, venue, request, |venue| ApplicationAction::Reissue { venue, within: None }).await
}

async fn command(
    gateway: &Gateway,
    caller: &Caller,
    venue: Segment,
    request: Request,
    action: impl FnOnce(VenueId) -> ApplicationAction,
) -> Result<Response, IngestError> {
    take(gateway, caller, request, |body| {
        let venue: VenueId = segment(venue, "venue")?.parse().map_err(|_| IngestError::invalid("venue", VENUE))?;
        let command = read::<CommandRequest<'_>>(body)?;
        // Only a venue that was applied for has a decision to follow.
        let is_decided = gateway.tables.with_venue(venue, |held| held.is_some_and(|held| held.is_decided()));
        if !is_decided {
            return Err(IngestError::UnknownVenue { field: "venue" });
        }
        let event = event(&command.organisation, command.request_id, action(venue))?;
        Ok((event, format!("/v1/applications?venue={venue}")))
    })
    .await
}
