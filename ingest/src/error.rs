//! Why a request, or a line of one, was not taken; the only place that picks status and kind.
//!
//! No message here repeats a value that was sent: it could be a document number.

use std::{
    borrow::Cow,
    sync::atomic::{AtomicI64, Ordering},
};

use axum::{
    http::{HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use schemas::{
    access::Limit,
    city::{Form, FormKind},
    code::CodeError,
    document::DocumentError,
    eligibility::Ineligible,
};
use service::{Problem, sealing::SealError};

use crate::{limit::Quota, metrics, state::now_ms};

/// Header that says what a client may send (draft-ietf-httpapi-ratelimit-headers).
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// Seconds after which Kafka is worth another try.
const KAFKA_RETRY_S: u64 = 2;

/// Seconds after which a full spool is worth another try.
const SPOOL_RETRY_S: u64 = 10;

/// Why something was not taken.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum IngestError {
    /// The body is not JSON.
    #[error("not JSON: {what} at line {line}, column {column}")]
    MalformedJson {
        /// What the parser ran into.
        what: &'static str,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// The body is JSON, but no object.
    #[error("expected a JSON object")]
    NotAnObject,
    /// A field that this route does not have.
    #[error("there is no such field here; known are {known}")]
    UnknownField {
        /// Its name as sent, cut short.
        field: String,
        /// The fields that there are.
        known: String,
    },
    /// A field that must be there.
    #[error("this field is missing: {expected}")]
    MissingField {
        /// Its name.
        field: Cow<'static, str>,
        /// What it should hold.
        expected: Cow<'static, str>,
    },
    /// A field whose value cannot be.
    #[error("{expected}")]
    InvalidField {
        /// Its name.
        field: Cow<'static, str>,
        /// What it should hold.
        expected: Cow<'static, str>,
    },
    /// The number of a document does not have the form of its type, or a wrong check character.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The city does not register this person in this way.
    #[error(transparent)]
    Ineligible(#[from] Ineligible),
    /// A venue code that nobody with a key wrote.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The token is limited in a way that leaves this out.
    #[error("the token is limited by its `{}`, which leaves this out", limit.as_str())]
    OutOfScope {
        /// What is left out.
        field: &'static str,
        /// By which limit.
        limit: Limit,
    },
    /// The token's role may use the route, but not in this way.
    #[error("{expected}")]
    RoleNotAllowed {
        /// What it may not send.
        field: &'static str,
        /// What it may.
        expected: &'static str,
    },
    /// The directory does not have this venue.
    #[error("the directory has no such venue")]
    UnknownVenue {
        /// `code` or `venue`.
        field: &'static str,
    },
    /// A city without codes for lorries.
    #[error("the city has no codes for lorries, so there are no trips")]
    NoFreight,
    /// A trip that nobody has declared for this lorry, or another driver's.
    #[error("this lorry has no such trip; one that was declared elsewhere is known here within a second")]
    UnknownTrip,
    /// A code that was issued anew since, or whose venue is closed.
    #[error("this code is no longer valid: a newer one was issued, or the venue is closed")]
    RevokedCode {
        /// `code` or `venue`.
        field: &'static str,
    },
    /// The code of an event, before it begins or after it has ended.
    #[error("this code is of an event that has not begun or is over")]
    CodeNotInForce {
        /// `code` or `venue`.
        field: &'static str,
    },
    /// A person who scans a code of this kind for the first time, in a city that asks for details then (S4).
    #[error("this person is to be registered first, with /v1/people and the `fields` of its `form`")]
    RegistrationRequired {
        /// Which form.
        form: FormKind,
        /// Its fields, for the app to show.
        fields: Box<Form>,
    },
    /// Somebody who is registered already is to become a dependant.
    #[error("this person is registered already, by themselves, by staff or by another guardian")]
    AlreadyRegistered,
    /// Not the last four characters of the person's document.
    #[error("not the last four characters of the registered document; {tries_left} more tries are left")]
    WrongLastFour {
        /// How many more are taken.
        tries_left: u8,
    },
    /// Too many wrong ones in a row.
    #[error("too many wrong last four characters in a row; let the staff register you, or try again later")]
    LastFourLocked {
        /// Seconds after which they are taken again.
        retry_after_s: u64,
    },
    /// The body did not come in time, or the connection broke.
    #[error("the body did not arrive whole within {limit_s} s")]
    BodyIncomplete {
        /// How long a body may take.
        limit_s: u64,
    },
    /// The body is larger than the route takes.
    #[error("the body is larger than {limit_bytes} bytes")]
    BodyTooLarge {
        /// Most bytes, after decompression.
        limit_bytes: usize,
    },
    /// More lines than a batch may have.
    #[error("more than {limit} lines; send several batches")]
    TooManyLines {
        /// Most lines.
        limit: usize,
    },
    /// Another media type than the route takes.
    #[error("expected content-type {expected}")]
    UnsupportedMediaType {
        /// What it takes.
        expected: &'static str,
    },
    /// A content encoding that the route does not take.
    #[error("expected content-encoding {expected}")]
    UnsupportedEncoding {
        /// What it takes.
        expected: &'static str,
    },
    /// The body does not decompress.
    #[error("the body is not valid {encoding}")]
    BrokenEncoding {
        /// What it claims to be.
        encoding: &'static str,
    },
    /// The client sends more than its quota.
    #[error("more than {} scans per second, or more than {} at once, from one client", quota.per_second, quota.burst)]
    TooManyRequests {
        /// Seconds after which as much as was asked for fits.
        retry_after_s: u64,
        /// The quota.
        quota: Quota,
    },
    /// The tables are not read yet.
    #[error("the gateway is still reading its tables; /readyz says how far it is")]
    NotReady,
    /// More comes than can be kept just now.
    #[error("more comes than can be kept just now; nothing of this was kept")]
    Overloaded,
    /// Others wait too, and this client has its share.
    #[error("too many scans of this client wait at the same time while others wait too; nothing of this was kept")]
    TooManyAtOnce,
    /// Kafka is out of reach, and the spool has no room left.
    #[error("Kafka is out of reach and the spool is full: not kept; send it again with the same event_id")]
    SpoolFull,
    /// Too many messages wait for Kafka.
    #[error("too much is waiting for Kafka")]
    QueueFull,
    /// Kafka did not acknowledge in time.
    #[error("Kafka did not acknowledge in time: not known to be kept; send it again with the same event_id")]
    KafkaUnavailable,
    /// A bug of ours.
    #[error("the gateway failed at this request; others are not affected")]
    Internal,
}

impl IngestError {
    /// A field whose value cannot be.
    pub fn invalid(field: impl Into<Cow<'static, str>>, expected: impl Into<Cow<'static, str>>) -> Self {
        Self::InvalidField { field: field.into(), expected: expected.into() }
    }

    /// A field that must be there.
    pub fn missing(field: impl Into<Cow<'static, str>>, expected: impl Into<Cow<'static, str>>) -> Self {
        Self::MissingField { field: field.into(), expected: expected.into() }
    }

    /// HTTP status and stable name.
    const fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::MalformedJson { .. } => (StatusCode::BAD_REQUEST, "malformed-json"),
            Self::BrokenEncoding { .. } => (StatusCode::BAD_REQUEST, "malformed-body"),
            Self::OutOfScope { .. } => (StatusCode::FORBIDDEN, "out-of-scope"),
            Self::RoleNotAllowed { .. } => (StatusCode::FORBIDDEN, "role-not-allowed"),
            Self::UnknownVenue { .. } => (StatusCode::NOT_FOUND, "unknown-venue"),
            Self::NoFreight => (StatusCode::NOT_FOUND, "no-freight"),
            Self::UnknownTrip => (StatusCode::NOT_FOUND, "unknown-trip"),
            Self::BodyIncomplete { .. } => (StatusCode::REQUEST_TIMEOUT, "body-incomplete"),
            Self::RevokedCode { .. } => (StatusCode::CONFLICT, "revoked-code"),
            Self::CodeNotInForce { .. } => (StatusCode::CONFLICT, "code-not-in-force"),
            Self::RegistrationRequired { .. } => (StatusCode::CONFLICT, "registration-required"),
            Self::AlreadyRegistered => (StatusCode::CONFLICT, "already-registered"),
            Self::WrongLastFour { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "wrong-last-four"),
            Self::LastFourLocked { .. } => (StatusCode::TOO_MANY_REQUESTS, "last-four-locked"),
            Self::BodyTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large"),
            Self::TooManyLines { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too-many-lines"),
            Self::UnsupportedMediaType { .. } => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type"),
            Self::UnsupportedEncoding { .. } => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-encoding"),
            Self::NotAnObject => (StatusCode::UNPROCESSABLE_ENTITY, "not-an-object"),
            Self::UnknownField { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "unknown-field"),
            Self::MissingField { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "missing-field"),
            Self::InvalidField { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "invalid-field"),
            Self::Document(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid-document"),
            Self::Ineligible(_) => (StatusCode::UNPROCESSABLE_ENTITY, "not-eligible"),
            Self::Code(_) => (StatusCode::UNPROCESSABLE_ENTITY, "mistyped-code"),
            Self::TooManyRequests { .. } => (StatusCode::TOO_MANY_REQUESTS, "too-many-requests"),
            Self::TooManyAtOnce => (StatusCode::TOO_MANY_REQUESTS, "too-many-at-once"),
            Self::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
            Self::SpoolFull => (StatusCode::SERVICE_UNAVAILABLE, "spool-full"),
            Self::NotReady => (StatusCode::SERVICE_UNAVAILABLE, "not-ready"),
            Self::QueueFull => (StatusCode::SERVICE_UNAVAILABLE, "queue-full"),
            Self::KafkaUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "kafka-unavailable"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal-error"),
        }
    }

    fn field(&self) -> Option<&str> {
        match self {
            Self::UnknownField { field, .. } => Some(field),
            Self::MissingField { field, .. } | Self::InvalidField { field, .. } => Some(field),
            Self::UnknownVenue { field }
            | Self::RevokedCode { field }
            | Self::CodeNotInForce { field }
            | Self::OutOfScope { field, .. }
            | Self::RoleNotAllowed { field, .. } => Some(field),
            Self::UnknownTrip => Some("id"),
            Self::Document(_) => Some("document.number"),
            Self::WrongLastFour { .. } | Self::LastFourLocked { .. } => Some("last_four"),
            Self::Ineligible(Ineligible::Method(_)) => Some("method"),
            Self::Ineligible(_) => Some("offline_reason"),
            Self::Code(_) => Some("code"),
            _ => None,
        }
    }

    const fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::TooManyRequests { retry_after_s, .. } | Self::LastFourLocked { retry_after_s } => {
                Some(*retry_after_s)
            }
            Self::QueueFull | Self::NotReady | Self::Overloaded | Self::TooManyAtOnce => Some(1),
            Self::KafkaUnavailable => Some(KAFKA_RETRY_S),
            Self::SpoolFull => Some(SPOOL_RETRY_S),
            _ => None,
        }
    }

    /// What the client gets to see, also as one line of a batch.
    pub fn problem(&self) -> Problem {
        let (status, kind) = self.kind();
        let mut problem = Problem::new(status, kind).with_detail(self.to_string());
        problem.field = self.field().map(str::to_owned);
        problem.retry_after_s = self.retry_after_s();
        match self {
            Self::RegistrationRequired { form, fields } => {
                problem.with("form", form.as_str()).with("fields", serde_json::json!(fields.fields))
            }
            Self::WrongLastFour { tries_left } => problem.with("tries_left", *tries_left),
            _ => problem,
        }
    }
}

impl From<SealError> for IngestError {
    fn from(_: SealError) -> Self {
        Self::Internal
    }
}

impl IntoResponse for IngestError {
    fn into_response(self) -> Response {
        let (status, kind) = self.kind();
        metrics::count_problem(kind);
        // The kind alone: a field's name is the client's text. Overload is counted, not logged once per request:
        // a log that grows with it makes it worse.
        match status {
            StatusCode::INTERNAL_SERVER_ERROR => tracing::error!(kind, "a request failed"),
            StatusCode::SERVICE_UNAVAILABLE if is_first_this_second() => {
                tracing::warn!(kind, "requests are not taken; said once a second");
            }
            _ => tracing::debug!(kind, "a request was not taken"),
        }
        let mut response = self.problem().into_response();
        if let Self::TooManyRequests { quota, .. } = self
            && let Ok(policy) = HeaderValue::from_str(&quota.policy())
        {
            response.headers_mut().insert(RATELIMIT_POLICY, policy);
        }
        response
    }
}

/// Whether it is asked for the first time in this second.
fn is_first_this_second() -> bool {
    static LAST: AtomicI64 = AtomicI64::new(0);
    let second = now_ms() / 1000;
    LAST.swap(second, Ordering::Relaxed) != second
}

#[cfg(test)]
mod tests;
