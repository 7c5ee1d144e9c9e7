//! `POST /v1/tests:batch`: the laboratories' feed of test results.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use schemas::{PersonKey, TestEvent, TestResult, UnixSeconds, events};
use serde::Deserialize;
use service::Caller;
use utoipa::ToSchema;

use crate::{
    error::IngestError,
    feed::{self, MAX_NAME_CHARS, PersonReceipt},
    fields::{Field, Object, Text, check_plain_text, one_of, optional_inner, read},
    ndjson::BatchAnswer,
    person::{self, DOCUMENT, DocumentRequest, PERSON},
    refusals::BatchRefusals,
    state::{Gateway, now_ms},
    tables::Table,
    time,
};

/// A test result. Exactly one of `person` and `document`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TestLine<'a> {
    /// Person key: 16 lower-case hex digits.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "1123456789abcdef")]
    person: Option<PersonKey>,
    /// Identity document.
    #[serde(borrow, default, deserialize_with = "optional_inner")]
    document: Option<DocumentRequest<'a>>,
    /// When the sample was taken, RFC 3339; admission counts from here.
    #[serde(borrow)]
    #[schema(value_type = String, example = "2022-06-01T08:00:00+08:00")]
    sampled_at: Text<'a>,
    /// When the laboratory had the result, RFC 3339.
    #[serde(borrow)]
    #[schema(value_type = String, example = "2022-06-01T20:00:00+08:00")]
    resulted_at: Text<'a>,
    /// The result: negative or positive.
    result: TestResult,
    /// Which laboratory.
    #[serde(borrow)]
    #[schema(value_type = String, example = "Huashan Hospital")]
    laboratory: Text<'a>,
}

impl<'a> Object<'a> for TestLine<'a> {
    const FIELDS: &'static [Field] = &[
        PERSON,
        DOCUMENT,
        Field::required::<String>("sampled_at", || time::EXPECTED.to_owned()),
        Field::required::<String>("resulted_at", || time::EXPECTED.to_owned()),
        Field::required::<TestResult>("result", results),
        Field::required::<String>("laboratory", || "expected the name of the laboratory".to_owned()),
    ];
}

fn results() -> String {
    one_of(["negative", "positive"])
}

/// Takes up to 10,000 test results, one JSON object per line
///
/// Each line has its own outcome; a broken one does not stop the others.
#[utoipa::path(post, path = "/v1/tests:batch", tag = "feeds",
    request_body(content = TestLine<'static>, content_type = "application/x-ndjson"),
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
    let (gateway, account) = (&*gateway, &caller.claims().sub);
    feed::take_batch(gateway, caller.subject(), request, Table::Tests, |line, messages| {
        let event = read::<TestLine<'_>>(line)?.check(gateway, account, now)?;
        messages.push(&event.person.to_hex(), &event)?;
        Ok(PersonReceipt { person: event.person })
    })
    .await
}

impl TestLine<'_> {
    fn check(&self, gateway: &Gateway, account: &str, now: UnixSeconds) -> Result<TestEvent, IngestError> {
        if self.result == TestResult::None {
            return Err(IngestError::invalid("result", results()));
        }
        let max_ahead_s = gateway.limits.max_ahead_s;
        let person = person::resolve(self.person, self.document.as_ref(), gateway.city.keys(gateway))?;
        let sampled_at = feed::past("sampled_at", &self.sampled_at, now, max_ahead_s)?;
        let resulted_at = feed::past("resulted_at", &self.resulted_at, now, max_ahead_s)?;
        if resulted_at < sampled_at {
            return Err(IngestError::invalid("resulted_at", "expected a time not before `sampled_at`"));
        }
        check_plain_text("laboratory", &self.laboratory, MAX_NAME_CHARS)?;
        Ok(TestEvent {
            v: events::VERSION,
            person,
            sampled_at,
            resulted_at,
            result: self.result,
            laboratory: self.laboratory.to_string(),
            sent_by: Some(account.to_owned()),
            newest: None,
        })
    }
}
