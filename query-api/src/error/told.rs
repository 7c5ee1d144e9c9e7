//! How a client is told what went wrong: status, kind, field, and when to try again. Counts and logs it.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use service::Problem;

use super::QueryError;
use crate::metrics;

const SOON_S: u64 = 1;
const LATER_S: u64 = 5;
const MUCH_LATER_S: u64 = 30;

impl QueryError {
    /// What the client is told; counts and logs it, so it is told once.
    pub fn problem(&self) -> Problem {
        self.note();
        self.shown()
    }

    /// Counts and logs it.
    pub fn note(&self) {
        let (status, kind) = self.status_and_kind();
        metrics::problem(kind);
        let source = std::error::Error::source(self).map(chain).unwrap_or_default();
        if status.is_server_error() {
            tracing::error!(problem = kind, source, "a request failed");
        } else {
            // Without the field: its name may be the client's text.
            tracing::debug!(problem = kind, "a request was refused");
        }
    }

    /// What the client is told.
    pub fn shown(&self) -> Problem {
        let (status, kind) = self.status_and_kind();
        let mut problem = Problem::new(status, kind).with_detail(self.to_string());
        if let Some(field) = self.field() {
            problem = problem.with_field(field);
        }
        if let Some(seconds) = self.retry_after_s() {
            problem = problem.with_retry_after(seconds);
        }
        problem
    }

    /// With what brought it about, for a log; what the client is told is without.
    pub fn with_causes(&self) -> String {
        chain(self)
    }

    pub(super) fn status_and_kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::MalformedJson(_) => (StatusCode::BAD_REQUEST, "malformed-json"),
            Self::BrokenBody => (StatusCode::BAD_REQUEST, "broken-body"),
            Self::BodyTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large"),
            Self::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type"),
            Self::UnknownApplication => (StatusCode::NOT_FOUND, "unknown-application"),
            Self::UnknownAlert => (StatusCode::NOT_FOUND, "unknown-alert"),
            Self::UnknownTrip => (StatusCode::NOT_FOUND, "unknown-trip"),
            Self::UnknownHealthProposal => (StatusCode::NOT_FOUND, "unknown-health-proposal"),
            Self::UnknownRelease => (StatusCode::NOT_FOUND, "unknown-release"),
            Self::UnknownReminder => (StatusCode::NOT_FOUND, "unknown-reminder"),
            Self::UnknownErasure => (StatusCode::NOT_FOUND, "unknown-erasure"),
            Self::ErasureNotDone => (StatusCode::CONFLICT, "erasure-not-done"),
            Self::UnknownJob => (StatusCode::NOT_FOUND, "unknown-job"),
            Self::ExpiredJob => (StatusCode::GONE, "job-expired"),
            Self::LostJob => (StatusCode::GONE, "job-lost"),
            Self::OutdatedJob => (StatusCode::GONE, "job-outdated"),
            Self::NoResult { .. } => (StatusCode::CONFLICT, "job-without-result"),
            Self::TooManyJobs => (StatusCode::TOO_MANY_REQUESTS, "too-many-jobs"),
            Self::JobsFull => (StatusCode::SERVICE_UNAVAILABLE, "jobs-full"),
            Self::ResultsFull(_) => (StatusCode::SERVICE_UNAVAILABLE, "results-full"),
            Self::LongJob { .. } => (StatusCode::SERVICE_UNAVAILABLE, "job-too-long"),
            Self::PastJob => (StatusCode::SERVICE_UNAVAILABLE, "job-outlived"),
            Self::ExportsFull => (StatusCode::SERVICE_UNAVAILABLE, "exports-full"),
            Self::Unreleased(lack) => (StatusCode::FORBIDDEN, lack.kind()),
            Self::NotAudited(_) => (StatusCode::SERVICE_UNAVAILABLE, metrics::NOT_AUDITED),
            Self::IdentitiesClosed => (StatusCode::FORBIDDEN, "identities-closed"),
            Self::UnknownField { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "unknown-field"),
            Self::MissingField { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "missing-field"),
            Self::InvalidField { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "invalid-field"),
            Self::OutOfScope { .. } => (StatusCode::FORBIDDEN, "out-of-scope"),
            Self::TooManyBuckets { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "too-many-buckets"),
            Self::TraceTooLarge { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "trace-too-large"),
            Self::UnknownVenue { .. } => (StatusCode::NOT_FOUND, "unknown-venue"),
            Self::RevokedVenue { .. } => (StatusCode::GONE, "revoked-venue"),
            Self::Unprintable(_) => (StatusCode::UNPROCESSABLE_ENTITY, "unprintable-character"),
            Self::IssueUnknown => (StatusCode::SERVICE_UNAVAILABLE, "issue-unknown"),
            Self::NoPosters(_) => (StatusCode::SERVICE_UNAVAILABLE, "posters-unavailable"),
            Self::NotReady => (StatusCode::SERVICE_UNAVAILABLE, "not-ready"),
            Self::TooManyListeners => (StatusCode::TOO_MANY_REQUESTS, "too-many-listeners"),
            Self::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "clickhouse-unavailable"),
            Self::TooExpensive(_) => (StatusCode::SERVICE_UNAVAILABLE, "query-too-expensive"),
            Self::Internal(_) | Self::Unprinted(_) | Self::Unsigned | Self::Aborted => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal-error")
            }
        }
    }

    pub(super) fn field(&self) -> Option<&str> {
        match self {
            Self::UnknownField { field, .. } => Some(field),
            Self::MissingField { field, .. } | Self::InvalidField { field, .. } | Self::OutOfScope { field, .. } => {
                Some(field)
            }
            Self::UnknownApplication
            | Self::UnknownAlert
            | Self::UnknownTrip
            | Self::UnknownHealthProposal
            | Self::UnknownRelease
            | Self::UnknownReminder
            | Self::UnknownErasure
            | Self::ErasureNotDone
            | Self::UnknownJob
            | Self::ExpiredJob
            | Self::LostJob
            | Self::OutdatedJob
            | Self::NoResult { .. } => Some("id"),
            Self::Unreleased(lack) => Some(lack.field()),
            Self::UnknownVenue { field } | Self::RevokedVenue { field } => Some(field),
            Self::Unprintable(unprintable) => Some(unprintable.what),
            Self::LongJob { .. } => Some("to"),
            Self::TooManyBuckets { .. } => Some("step"),
            Self::TraceTooLarge { has_window, .. } => Some(if *has_window { "window_minutes" } else { "to" }),
            _ => None,
        }
    }

    pub(super) const fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::Overloaded => Some(SOON_S),
            Self::NotReady | Self::IssueUnknown | Self::Unavailable(_) | Self::NotAudited(_) | Self::ExportsFull => {
                Some(LATER_S)
            }
            Self::TooManyListeners | Self::TooManyJobs | Self::JobsFull => Some(MUCH_LATER_S),
            Self::NoPosters(_) | Self::TooExpensive(_) => Some(MUCH_LATER_S),
            _ => None,
        }
    }
}

impl IntoResponse for QueryError {
    fn into_response(self) -> Response {
        self.problem().into_response()
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}
