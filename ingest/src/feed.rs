//! What the three feeds have in common: a batch of lines to one table's topic.

use axum::{extract::Request, response::Response};
use bytes::Bytes;
use schemas::{PersonKey, UnixSeconds};
use serde::Serialize;
use service::access::Subject;
use utoipa::ToSchema;

use crate::{
    admission::Room,
    body::{BATCH_LIMIT_BYTES, read_ndjson},
    error::IngestError,
    keep::Keeping,
    metrics::count_feed,
    ndjson::{Receipt, count_lines, take_lines},
    routes::json,
    spool::Messages,
    state::Gateway,
    tables::Table,
    time,
};

/// Longest free text of a feed, in characters.
pub const MAX_REASON_CHARS: usize = 500;
/// Longest name or number of a feed, in characters.
pub const MAX_NAME_CHARS: usize = 100;

/// The outcome of an accepted line of a person.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonReceipt {
    /// Whose.
    #[schema(value_type = String, example = "1123456789abcdef")]
    pub person: PersonKey,
}

impl Receipt for PersonReceipt {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"person\":\"");
        out.extend_from_slice(&self.person.to_hex());
        out.push(b'"');
    }
}

/// The body of a batch, and the room that it takes up.
pub struct Batch<'g> {
    /// The lines.
    pub body: Bytes,
    _room: Room<'g>,
}

/// Reads the body of a batch.
///
/// # Errors
/// When the batch as a whole cannot be taken.
pub async fn receive<'g>(gateway: &'g Gateway, client: &Subject, request: Request) -> Result<Batch<'g>, IngestError> {
    gateway.let_in(client, 0)?;
    if gateway.route.is_spooling() {
        return Err(IngestError::KafkaUnavailable);
    }
    let room = gateway.admission.room_for_body(&request, BATCH_LIMIT_BYTES)?;
    let body = read_ndjson(request).await?;
    gateway.let_in(client, count_lines(&body)?)?;
    Ok(Batch { body, _room: room })
}

/// Takes a batch of lines, stores their messages, and answers once the table has them too.
///
/// # Errors
/// When the batch as a whole cannot be taken.
pub async fn take_batch<R: Receipt>(
    gateway: &Gateway,
    client: &Subject,
    request: Request,
    table: Table,
    take: impl FnMut(&[u8], &mut Messages) -> Result<R, IngestError>,
) -> Result<Response, IngestError> {
    let batch = receive(gateway, client, request).await?;
    Ok(store(gateway, client, &batch, table, take).await)
}

/// Stores the messages of a batch that was read, and answers once the table has them too.
pub async fn store<R: Receipt>(
    gateway: &Gateway,
    client: &Subject,
    batch: &Batch<'_>,
    table: Table,
    take: impl FnMut(&[u8], &mut Messages) -> Result<R, IngestError>,
) -> Response {
    let (topic, route, feed) = match table {
        Table::Venues => (&gateway.topics.venues, "/v1/venues:batch", "venues"),
        Table::Health => (&gateway.topics.health, "/v1/health-codes:batch", "health"),
        Table::Tests => (&gateway.topics.tests, "/v1/tests:batch", "tests"),
        Table::Identities => (&gateway.topics.identities, "/v1/people", "identities"),
    };
    let finished = take_lines(gateway, client, &batch.body, |_| Keeping::feed(gateway, topic), take, Some(table)).await;
    let accepted = finished.receipts().count();
    count_feed(route, feed, accepted);
    tracing::info!(feed, accepted, rejected = finished.rejected(), "took a batch");
    json(finished.answer())
}

/// Reads a time that an event happened at: not before 2000, and not in the future.
///
/// # Errors
/// [`IngestError::InvalidField`].
pub fn past(field: &'static str, text: &str, now: UnixSeconds, max_ahead_s: u32) -> Result<UnixSeconds, IngestError> {
    let at = time::parse_field(field, text)?;
    if at < time::YEAR_2000 || at > now + i64::from(max_ahead_s) {
        return Err(IngestError::invalid(field, "expected a time after 1999 that is not in the future"));
    }
    Ok(at)
}
