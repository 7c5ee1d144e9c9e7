//! `POST /v1/scans`: one scan, answered with the verdict.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{Request, State},
    response::Response,
};
use schemas::{TripEvent, Verdict};
use service::{Caller, Problem};

use super::json;
use crate::{
    answer::{ScanAnswer, TripTold},
    body::{SINGLE_LIMIT_BYTES, read_json},
    error::IngestError,
    fields::read,
    keep::Keeping,
    refusals::ObjectRefusals,
    scan::ScanRequest,
    scope::check_venue,
    state::{Gateway, now_ms},
};

/// Where scans are sent.
pub(super) const PATH: &str = "/v1/scans";
/// An answer has about 400 bytes, more with long names.
const ANSWER_BYTES: usize = 768;

/// Takes one scan and answers with the verdict
///
/// The answer means that the scan is kept. Sent again with the same `event_id`, it is still one scan.
#[utoipa::path(post, path = "/v1/scans", tag = "scans",
    request_body(content = ScanRequest<'static>, content_type = "application/json"),
    responses(
        (status = 200, description = "Kept, with the verdict", body = ScanAnswer<'static>),
        ObjectRefusals,
        (status = 404, description = "`unknown-venue`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`revoked-code`, `code-not-in-force` outside the time of an event, or `registration-required` with `form` and `fields` at a person's first scan, in a city that asks for details then", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`mistyped-code`, `invalid-document`, `not-eligible`, `invalid-field`, `missing-field`, `unknown-field`, `not-an-object`, `wrong-last-four` with `tries_left`", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`too-many-requests`, `too-many-at-once` or `last-four-locked`, with `Retry-After`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`kafka-unavailable`, `spool-full`, `queue-full`, `overloaded` or `not-ready`, with `Retry-After`", body = Problem, content_type = "application/problem+json"),
    ))]
pub async fn post(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    request: Request,
) -> Result<Response, IngestError> {
    let started = Instant::now();
    gateway.metrics.scan_requests.increment(1);
    let taken = take(&gateway, &caller, request).await;
    match &taken {
        Ok((verdict, _)) => gateway.metrics.scans(*verdict).increment(1),
        Err(_) => gateway.metrics.rejected.increment(1),
    }
    gateway.metrics.answer_seconds.record(started.elapsed());
    taken.map(|(_, answer)| json(answer))
}

async fn take(gateway: &Gateway, caller: &Caller, request: Request) -> Result<(Verdict, Vec<u8>), IngestError> {
    let client = caller.subject();
    // Turned away before anything is read; and again after, since a slow client may have taken its time.
    gateway.admission.would_enter(client)?;
    gateway.let_in(client, 1)?;
    let _room = gateway.admission.room_for_body(&request, SINGLE_LIMIT_BYTES)?;
    let body = read_json(request).await?;
    let permit = gateway.admission.enter(client)?;
    let Decided { verdict, answer, trip, keeping } = decide_and_send(gateway, caller, &body, now_ms())?;
    let kept = keeping.kept().await;
    permit.kept();
    if let Some((_, error)) = kept.failed {
        return Err(error);
    }
    trip.iter().for_each(|event| gateway.note_trip(event));
    Ok((verdict, answer))
}

/// A scan on its way.
struct Decided<'g> {
    verdict: Verdict,
    answer: Vec<u8>,
    /// What it means for a lorry's trip.
    trip: Option<TripEvent>,
    keeping: Keeping<'g>,
}

/// Writes the answer before the scan is kept, while the venue's row is at hand; it is shown only after.
fn decide_and_send<'g>(
    gateway: &'g Gateway,
    caller: &Caller,
    body: &[u8],
    now_ms: i64,
) -> Result<Decided<'g>, IngestError> {
    let request = read::<ScanRequest<'_>>(body)?;
    let scan = request.check(caller.claims(), &gateway.city, &gateway.limits, gateway, now_ms)?;
    let mut answer = Vec::with_capacity(ANSWER_BYTES);
    let (event, trip) = gateway.tables.with_venue(scan.venue, |venue| {
        check_venue(caller.scope(), scan.venue, venue, "venue")?;
        let (accepted, venue) = gateway.accept(&scan, venue, now_ms)?;
        let feeds = gateway.tables.feeds(now_ms);
        let trip = TripEvent::of_accepted(&accepted.event, venue.district);
        let told = trip.as_ref().map_or(TripTold::NotAsked, |trip| {
            gateway.see_trip(trip, accepted.event.event_id).map_or(TripTold::Unavailable, TripTold::Seen)
        });
        let shown = ScanAnswer::new(&accepted, venue, feeds, told, &gateway.city.sentences);
        serde_json::to_writer(&mut answer, &shown).map_err(|_| IngestError::Internal)?;
        Ok::<_, IngestError>((accepted.event, trip))
    })?;
    let mut keeping = Keeping::scans(gateway, 1);
    keeping.blank().push_scan(&event)?;
    keeping.send()?;
    Ok(Decided { verdict: event.verdict, answer, trip, keeping })
}
