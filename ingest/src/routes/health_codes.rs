//! `POST /v1/health-codes:batch`: the authority's feed of health-code changes.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use schemas::{Colour, HealthEvent, PersonKey, UnixSeconds, events};
use serde::Deserialize;
use service::Caller;
use utoipa::ToSchema;

use crate::{
    error::IngestError,
    feed::{self, MAX_NAME_CHARS, MAX_REASON_CHARS, PersonReceipt},
    fields::{Field, Object, Text, check_plain_text, one_of, optional_inner, read},
    ndjson::BatchAnswer,
    person::{self, DOCUMENT, DocumentRequest, PERSON},
    refusals::BatchRefusals,
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
/// Each line has its own outcome; a broken one does not stop the others.
#[utoipa::path(post, path = "/v1/health-codes:batch", tag = "feeds",
    request_body(content = HealthLine<'static>, content_type = "application/x-ndjson"),
    responses(
        (status = 200, description = "The outcome of each line", body = BatchAnswer<PersonReceipt>),
        BatchRefusals,
    ))]
pub async fn post(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    request: Request,
) -> Result<Response, IngestError> {
    let now = now_ms() / 1000;
    let gateway = &*gateway;
    feed::take_batch(gateway, caller.subject(), request, Table::Health, |line, messages| {
        let event = read::<HealthLine<'_>>(line)?.check(gateway, now)?;
        messages.push(&event.person.to_hex(), &event)?;
        Ok(PersonReceipt { person: event.person })
    })
    .await
}

impl HealthLine<'_> {
    fn check(&self, gateway: &Gateway, now: UnixSeconds) -> Result<HealthEvent, IngestError> {
        if self.colour == Colour::Unknown {
            return Err(IngestError::invalid("colour", colours()));
        }
        let person = person::resolve(self.person, self.document.as_ref(), &gateway.city.person_keys)?;
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
        })
    }
}
