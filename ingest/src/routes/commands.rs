//! Commands: kept here in the order in which they come, and decided by a state machine of the processor.

use axum::{
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use service::Caller;
use utoipa::ToSchema;
use uuid::Uuid;

use super::json;
use crate::{
    body::{SINGLE_LIMIT_BYTES, read_json},
    error::IngestError,
    fields::Field,
    keep::Keeping,
    state::Gateway,
};

/// A command that is kept; it is decided within a second or two.
#[derive(Debug, Serialize, ToSchema)]
pub struct CommandAnswer {
    /// Identity of the command; of an application also the application's.
    pub command: Uuid,
    /// Path on the query API where it can be followed.
    #[schema(example = "/v1/applications/8f3c1a52-7d6b-8e21-9c4f-0a1b2c3d4e5f")]
    pub follow: String,
}

impl CommandAnswer {
    /// The answer to a command, which is followed with the one of a list that it is about.
    pub fn new(command: Uuid, list: &str, about: Uuid) -> Self {
        Self { command, follow: format!("{list}/{about}") }
    }
}

/// A command that was read.
pub struct Command<E> {
    /// Key of its message.
    pub key: String,
    /// Its message.
    pub event: E,
    /// What is answered once it is kept.
    pub answer: CommandAnswer,
}

/// The field that gives a command its identity.
pub const REQUEST_ID: Field = Field::optional::<Option<Uuid>>("request_id", || "expected a UUID".to_owned());

/// Reads a command, keeps it on a topic, and says where it can be followed.
///
/// # Errors
/// When it cannot be read, or Kafka does not take it.
pub async fn take<E: Serialize>(
    gateway: &Gateway,
    caller: &Caller,
    request: Request,
    topic: &str,
    read: impl FnOnce(&[u8]) -> Result<Command<E>, IngestError>,
) -> Result<Response, IngestError> {
    take_event(gateway, caller, request, topic, read).await.map(|(_, response)| response)
}

/// As [`take`], with the event that is kept now.
///
/// # Errors
/// As [`take`].
pub async fn take_event<E: Serialize>(
    gateway: &Gateway,
    caller: &Caller,
    request: Request,
    topic: &str,
    read: impl FnOnce(&[u8]) -> Result<Command<E>, IngestError>,
) -> Result<(E, Response), IngestError> {
    gateway.let_in(caller.subject(), 1)?;
    // As with feeds: a command that is decided hours later would be worse than one that is to be sent again.
    if gateway.route.is_spooling() {
        return Err(IngestError::KafkaUnavailable);
    }
    let _room = gateway.admission.room_for_body(&request, SINGLE_LIMIT_BYTES)?;
    let body = read_json(request).await?;
    let Command { key, event, answer } = read(&body)?;
    let mut keeping = Keeping::feed(gateway, topic);
    keeping.blank().push(key.as_bytes(), &event)?;
    keeping.send()?;
    if let Some((_, error)) = keeping.kept().await.failed {
        return Err(error);
    }
    tracing::debug!(command = %answer.command, topic, "took a command");
    let answer = serde_json::to_vec(&answer).map_err(|_| IngestError::Internal)?;
    Ok((event, (StatusCode::ACCEPTED, json(answer)).into_response()))
}
