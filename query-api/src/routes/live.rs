//! `GET /v1/footfall/live`: the counts of the day as they grow, as server-sent events.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    response::sse::{Event, Sse},
};
use chrono::{DateTime, Utc};
use futures::{Stream, StreamExt, stream};
use serde::Serialize;
use service::{Caller, Problem};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::footfall::{Counts, scope, suppression_for};
use crate::{
    AppState, QueryError, answer,
    input::Fields,
    limits,
    live::{self, Pace},
    store::BucketRow,
    suppression::Suppression,
};

const HEARTBEAT: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(10);
const MAX_EVENTS: u32 = 1_000;

/// The data of an event `counts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LiveCounts {
    /// Midnight of the city, from which it is counted.
    since: DateTime<Utc>,
    /// The counts since then, without people; null while they are those of a small group.
    counts: Option<Counts>,
}

/// The counts of the day so far, whenever they change, as server-sent events
///
/// The first event, `counts`, comes at once, further ones within a second of a scan; of counts that change faster the
/// newest is sent. A comment comes every 15 seconds in which nothing changes. The stream ends when the token does, when
/// the service does, and when 10 seconds long nothing is read. The venues of an organisation are those that it has when
/// the first one begins to listen.
#[utoipa::path(get, path = "/v1/footfall/live", tag = "footfall",
    params(
        ("scope" = String, Query, pattern = "^(venue|organisation|district|category|city)$",
            description = "`venue`, `organisation`, `district`, `category` or `city`"),
        ("id" = Option<String>, Query, description = "As in `GET /v1/footfall`"),
        ("events" = Option<u32>, Query, minimum = 1, maximum = 1_000,
            description = "Ends the stream after so many events, comments included; without it there is no such end"),
    ),
    responses(
        (status = 200, description = "Events `counts`", body = LiveCounts, content_type = "text/event-stream"),
        (status = 422, description = "A field is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`too-many-listeners`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not now", body = Problem, content_type = "application/problem+json"),
    ))]
pub async fn live(
    State(state): State<AppState>,
    caller: Caller,
    mut fields: Fields,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, QueryError> {
    let asked = scope::scope(&mut fields, &state.city().city)?;
    let events_wanted = match fields.number("events", 1..=MAX_EVENTS, 0)? {
        0 => usize::MAX,
        number => number as usize,
    };
    fields.finish()?;
    limits::check_footfall(state.store(), caller.scope(), &asked.scope).await?;
    let listener = state.live().listen(&asked.scope, caller.subject().key).await?;

    let suppression = suppression_for(caller.role(), &state);
    let left_s = u64::try_from(caller.claims().exp - Utc::now().timestamp()).unwrap_or_default();
    let until = Instant::now() + Duration::from_secs(left_s);
    let pace = Pace { heartbeat: HEARTBEAT, patience: PATIENCE, until };
    let mut events = live::serve(listener, pace, move |event| match event {
        live::Event::Counts(row) => Some(shown(&row, suppression)),
        live::Event::Alive => None,
    });
    let events = stream::poll_fn(move |context| events.poll_recv(context));
    Ok(Sse::new(events.take(events_wanted).map(|counts| Ok(event(counts)))))
}

fn shown(row: &BucketRow, suppression: Suppression) -> LiveCounts {
    LiveCounts { since: answer::time(row.start), counts: Counts::new(row, false, false, suppression) }
}

fn event(counts: Option<LiveCounts>) -> Event {
    let Some(counts) = counts else { return Event::default().comment("") };
    // Numbers and a time are always JSON.
    Event::default().event("counts").json_data(counts).unwrap_or_default()
}
