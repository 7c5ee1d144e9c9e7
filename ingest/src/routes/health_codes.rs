//! `POST /v1/health-codes:batch`: the authority's feed of health-code changes; and `POST /v1/health-proposals/{id}/release`,
//! by which a second account lets a bulk change happen.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use schemas::{Colour, HealthEvent, PersonKey, UnixSeconds, events};
use serde::Deserialize;
use service::{Caller, Problem, http::Segment};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    bulk::{self, Change, ProposalAnswer, ReleaseAnswer},
    error::IngestError,
    feed::{self, MAX_NAME_CHARS, MAX_REASON_CHARS, PersonReceipt},
    fields::{Field, Object, Text, check_plain_text, one_of, optional_inner, read, segment},
    ndjson::{BatchAnswer, LINES_PER_TURN, lines},
    person::{self, DOCUMENT, DocumentRequest, PERSON},
    refusals::BatchRefusals,
    spool::Messages,
    state::{Gateway, now_ms},
    tables::Table,
    time,
};

/// A health-code change. Exactly one of `person` and `document`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthLine<'a> {
    /// Person key: 16 lower-case hex digits.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "1123456789abcdef")]
    person: Option<PersonKey>,
    /// Identity document.
    #[serde(borrow, default, deserialize_with = "optional_inner")]
    document: Option<DocumentRequest<'a>>,
    /// The new colour: green, yellow or red.
    colour: Colour,
    /// From when it is in force, RFC 3339; not in the future.
    #[serde(borrow)]
    #[schema(value_type = String, example = "2022-06-01T12:00:00+08:00")]
    since: Text<'a>,
    /// Until when; without it, until the next change.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "2022-06-08T12:00:00+08:00")]
    expires_at: Option<Text<'a>>,
    /// Which authority decided.
    #[serde(borrow)]
    #[schema(value_type = String, example = "Shanghai CDC")]
    issuer: Text<'a>,
    /// Number of the evidence that it rests on.
    #[serde(borrow)]
    #[schema(value_type = String, example = "SH-2022-000123")]
    evidence: Text<'a>,
    /// Why.
    #[serde(borrow)]
    #[schema(value_type = String, example = "contact of a case")]
    reason: Text<'a>,
}

impl<'a> Object<'a> for HealthLine<'a> {
    const FIELDS: &'static [Field] = &[
        PERSON,
        DOCUMENT,
        Field::required::<Colour>("colour", colours),
        Field::required::<String>("since", || time::EXPECTED.to_owned()),
        Field::optional::<Option<String>>("expires_at", || time::EXPECTED.to_owned()),
        Field::required::<String>("issuer", || "expected the name of the authority".to_owned()),
        Field::required::<String>("evidence", || "expected the number of the evidence".to_owned()),
        Field::required::<String>("reason", || "expected why the colour changed".to_owned()),
    ];
}

/// The authority sets a colour; it cannot set that none is known.
fn colours() -> String {
    one_of(Colour::ALL.iter().filter(|c| **c != Colour::Unknown).map(|c| c.as_str()))
}

/// Takes up to 10,000 health-code changes, one JSON object per line
///
/// Each line has its own outcome; a broken one does not stop the others. A batch by which the account would have turned
/// more people yellow or red within an hour than one account may is a bulk change: none of it is in force before another
/// account has sent the same batch to `/v1/health-proposals/{id}/release`.
#[utoipa::path(post, path = "/v1/health-codes:batch", tag = "feeds",
    request_body(content = HealthLine<'static>, content_type = "application/x-ndjson"),
    responses(
        (status = 200, description = "The outcome of each line", body = BatchAnswer<PersonReceipt>),
        (status = 202, description = "A bulk change: kept until another account releases it", body = ProposalAnswer),
        BatchRefusals,
    ))]
pub async fn post(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    request: Request,
) -> Result<Response, IngestError> {
    let (gateway, account) = (&*gateway, &caller.claims().sub);
    let batch = feed::receive(gateway, caller.subject(), request).await?;
    let changes = read_changes(gateway, account, &batch.body).await;
    let Some(_on_their_way) = bulk::let_through(gateway, account, &changes, now_ms()) else {
        return bulk::propose(gateway, account, changes, now_ms()).await;
    };
    let mut changes = changes.into_iter();
    let store = |_: &[u8], messages: &mut Messages| {
        let event = changes.next().ok_or(IngestError::Internal)?.1?;
        messages.push(&event.person.to_hex(), &event)?;
        Ok(PersonReceipt { person: event.person })
    };
    Ok(feed::store(gateway, caller.subject(), &batch, Table::Health, store).await)
}

/// Releases a bulk change
///
/// Another account than the one that made it sends the same changes, in whatever order; then they are in force. Whether
/// they are the same, and in time, is decided in the order in which things were sent: `follow` tells.
#[utoipa::path(post, path = "/v1/health-proposals/{id}/release", tag = "feeds",
    params(("id" = Uuid, Path, description = "The bulk change")),
    request_body(content = HealthLine<'static>, content_type = "application/x-ndjson"),
    responses(
        (status = 202, description = "Kept, to be decided", body = ReleaseAnswer),
        (status = 422, description = "`invalid-field`: no identity of a bulk change", body = Problem, content_type = "application/problem+json"),
        BatchRefusals,
    ))]
pub async fn release(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    id: Segment,
    request: Request,
) -> Result<Response, IngestError> {
    let (gateway, account) = (&*gateway, &caller.claims().sub);
    let proposal: Uuid =
        segment(id, "id")?.parse().map_err(|_| IngestError::invalid("id", "expected the identity of a bulk change"))?;
    let batch = feed::receive(gateway, caller.subject(), request).await?;
    let changes = read_changes(gateway, account, &batch.body).await;
    bulk::release(gateway, account, proposal, changes, now_ms()).await
}

/// Reads and checks each line.
async fn read_changes(gateway: &Gateway, account: &str, body: &[u8]) -> Vec<Change> {
    let (mut changes, now) = (Vec::new(), now_ms() / 1000);
    for (at, (number, line)) in lines(body).enumerate() {
        if at % LINES_PER_TURN == LINES_PER_TURN - 1 {
            tokio::task::yield_now().await;
        }
        let event = read::<HealthLine<'_>>(line).and_then(|line| line.check(gateway, account, now));
        changes.push((number, event));
    }
    changes
}

impl HealthLine<'_> {
    fn check(&self, gateway: &Gateway, account: &str, now: UnixSeconds) -> Result<HealthEvent, IngestError> {
        if self.colour == Colour::Unknown {
            return Err(IngestError::invalid("colour", colours()));
        }
        let person = person::resolve(self.person, self.document.as_ref(), gateway.city.keys(gateway))?;
        let since = feed::past("since", &self.since, now, gateway.limits.max_ahead_s)?;
        let expires_at = self.expires_at.as_ref().map(|text| time::parse_field("expires_at", text)).transpose()?;
        if expires_at.is_some_and(|at| at <= since || at >= time::YEAR_2100) {
            return Err(IngestError::invalid("expires_at", "expected a time after `since` and before 2100"));
        }
        check_plain_text("issuer", &self.issuer, MAX_NAME_CHARS)?;
        check_plain_text("evidence", &self.evidence, MAX_NAME_CHARS)?;
        check_plain_text("reason", &self.reason, MAX_REASON_CHARS)?;
        Ok(HealthEvent {
            v: events::VERSION,
            person,
            colour: self.colour,
            since,
            expires_at,
            issuer: self.issuer.to_string(),
            evidence: self.evidence.to_string(),
            reason: self.reason.to_string(),
            sent_by: Some(account.to_owned()),
            release: None,
            newest: None,
        })
    }
}
