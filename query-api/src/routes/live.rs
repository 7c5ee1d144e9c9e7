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

/// An event of the stream, as a reader of server-sent events has it.
#[derive(Debug, Serialize, ToSchema)]
struct LiveEvent {
    /// `counts`, or `unavailable` while the counts cannot be read.
    #[schema(pattern = "^(counts|unavailable)$")]
    event: String,
    /// The counts as JSON, an object `LiveCounts`; an empty object with `unavailable`.
    #[schema(content_media_type = "application/json")]
    data: String,
}

/// The data of an event `counts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LiveCounts {
    /// Midnight of the city, from which it is counted.
    since: DateTime<Utc>,
    /// When they were first seen to be so.
    at: DateTime<Utc>,
    /// The counts since then, without people; null while they are those of a small group.
    counts: Option<Counts>,
}

/// What a reader is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sent {
    Counts(Box<LiveCounts>),
    Unavailable,
    Alive,
}

/// The counts of the day so far, whenever they change, as server-sent events
///
/// The first event, `counts`, comes at once, further ones within a second of a scan; of counts that change faster the
/// newest is sent. Dashboards get one only when a whole group has been scanned since the one before. An event
/// `unavailable`, with data `{}`, comes when there have been no counts for 5 seconds; the next `counts` end that. A
/// comment comes every 15 seconds in which nothing changes. The stream ends when the token does, when the service does,
/// and when for 10 seconds nothing can be written: what the connection's buffers take counts as read. The venues of an
/// organisation are those that it has when the first one begins to listen.
#[utoipa::path(get, path = "/v1/footfall/live", tag = "footfall",
    params(
        ("scope" = String, Query, pattern = "^(venue|organisation|district|category|city)$",
            description = "`venue`, `organisation`, `district`, `category` or `city`"),
        ("id" = Option<String>, Query, description = "As in `GET /v1/footfall`"),
        ("events" = Option<u32>, Query, minimum = 1, maximum = 1_000,
            description = "Ends the stream after so many events, comments included; without it there is no such end"),
    ),
    responses(
        (status = 200, description = "Events `counts` and `unavailable`", body = LiveEvent, content_type = "text/event-stream"),
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
    let suppression = suppression_for(caller.role(), &state);
    let listener = state.live().listen(&asked.scope, caller.subject().key, !suppression.is_none()).await?;

    let left_s = u64::try_from(caller.claims().exp - Utc::now().timestamp()).unwrap_or_default();
    let until = Instant::now() + Duration::from_secs(left_s);
    let pace = Pace { heartbeat: HEARTBEAT, patience: PATIENCE, until };
    let mut events = live::serve(listener, pace, move |event| match event {
        live::Event::Counts(row, at) => Sent::Counts(Box::new(shown(&row, at, suppression))),
        live::Event::Unavailable => Sent::Unavailable,
        live::Event::Alive => Sent::Alive,
    });
    let events = stream::poll_fn(move |context| events.poll_recv(context));
    Ok(Sse::new(events.take(events_wanted).map(|sent| Ok(event(sent)))))
}

fn shown(row: &BucketRow, at: u32, suppression: Suppression) -> LiveCounts {
    let counts = Counts::new(row, false, false, suppression);
    LiveCounts { since: answer::time(row.start), at: answer::time(at), counts }
}

fn event(sent: Sent) -> Event {
    match sent {
        // Numbers and times are always JSON.
        Sent::Counts(counts) => Event::default().event("counts").json_data(counts).unwrap_or_default(),
        // Browsers hand on no event without data.
        Sent::Unavailable => Event::default().event("unavailable").data("{}"),
        Sent::Alive => Event::default().comment(""),
    }
}
