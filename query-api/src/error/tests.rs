use axum::response::IntoResponse;
use schemas::events::ReleaseState;

use super::*;

#[test]
fn whoever_has_no_window_is_not_told_to_choose_a_smaller_one() {
    let text = |has_window| QueryError::TraceTooLarge { what: TooMany::Pairs, limit: 5, has_window }.to_string();
    let shorter = "more than 5 pairs of stays would have to be looked at for these visits: choose a shorter time";
    assert_eq!([text(true), text(false)], [format!("{shorter} or a smaller window"), shorter.to_owned()]);
}

#[test]
fn every_variant_has_its_status_kind_field_and_retry() {
    let json = serde_json::from_str::<u8>("{").unwrap_err();
    let text = String::new;
    let too_large = |has_window| QueryError::TraceTooLarge { what: TooMany::Scans, limit: 1, has_window };
    let unprintable = Unprintable { what: "name", character: '𠮷' };
    let table = [
        (QueryError::MalformedJson(json), 400, "malformed-json", None, None),
        (QueryError::BrokenBody, 400, "broken-body", None, None),
        (QueryError::UnknownApplication, 404, "unknown-application", Some("id"), None),
        (QueryError::UnknownAlert, 404, "unknown-alert", Some("id"), None),
        (QueryError::UnknownTrip, 404, "unknown-trip", Some("id"), None),
        (QueryError::UnknownHealthProposal, 404, "unknown-health-proposal", Some("id"), None),
        (QueryError::UnknownRelease, 404, "unknown-release", Some("id"), None),
        (QueryError::UnknownReminder, 404, "unknown-reminder", Some("id"), None),
        (QueryError::UnknownErasure, 404, "unknown-erasure", Some("id"), None),
        (QueryError::ErasureNotDone, 409, "erasure-not-done", Some("id"), None),
        (QueryError::Unsigned, 500, "internal-error", None, None),
        (QueryError::UnknownJob, 404, "unknown-job", Some("id"), None),
        (QueryError::ExpiredJob, 410, "job-expired", Some("id"), None),
        (QueryError::LostJob, 410, "job-lost", Some("id"), None),
        (QueryError::OutdatedJob, 410, "job-outdated", Some("id"), None),
        (QueryError::NoResult { state: "waiting" }, 409, "job-without-result", Some("id"), None),
        (QueryError::TooManyJobs, 429, "too-many-jobs", None, Some(30)),
        (QueryError::JobsFull, 503, "jobs-full", None, Some(30)),
        (QueryError::ResultsFull(NoRoom::Alone), 503, "results-full", None, None),
        (QueryError::LongJob { limit_s: 1 }, 503, "job-too-long", Some("to"), None),
        (QueryError::PastJob, 503, "job-outlived", None, None),
        (QueryError::ExportsFull, 503, "exports-full", None, Some(5)),
        (Lack::NotNamed.into(), 403, "release-required", Some("release"), None),
        (Lack::Unknown.into(), 403, "release-unknown", Some("release"), None),
        (Lack::OfAnother.into(), 403, "release-of-another-account", Some("release"), None),
        (Lack::NotReleased(ReleaseState::Asked).into(), 403, "release-not-given", Some("release"), None),
        (Lack::Expired.into(), 403, "release-expired", Some("release"), None),
        (Lack::OtherSubject { field: "id" }.into(), 403, "release-does-not-cover", Some("id"), None),
        (Lack::OtherTime { field: "to" }.into(), 403, "release-does-not-cover", Some("to"), None),
        (Lack::OtherDistrict { field: "id" }.into(), 403, "release-does-not-cover", Some("id"), None),
        (Lack::TooWide { field: "window_minutes" }.into(), 403, "release-does-not-cover", Some("window_minutes"), None),
        (Lack::TooFar { field: "person" }.into(), 403, "release-does-not-cover", Some("person"), None),
        (QueryError::NotAudited(StoreFailure::Silent.into()), 503, "audit-unavailable", None, Some(5)),
        (QueryError::IdentitiesClosed, 403, "identities-closed", None, None),
        (QueryError::BodyTooLarge { limit_bytes: 1 }, 413, "body-too-large", None, None),
        (QueryError::UnsupportedMediaType, 415, "unsupported-media-type", None, None),
        (QueryError::UnknownField { field: "x".into(), known: text() }, 422, "unknown-field", Some("x"), None),
        (QueryError::MissingField { field: "to", expected: text() }, 422, "missing-field", Some("to"), None),
        (QueryError::InvalidField { field: "to", expected: text() }, 422, "invalid-field", Some("to"), None),
        (QueryError::OutOfScope { field: "id", limit: Limit::District }, 403, "out-of-scope", Some("id"), None),
        (QueryError::TooManyBuckets { buckets: 2, limit: 1 }, 422, "too-many-buckets", Some("step"), None),
        (too_large(true), 422, "trace-too-large", Some("window_minutes"), None),
        (too_large(false), 422, "trace-too-large", Some("to"), None),
        (QueryError::UnknownVenue { field: "id" }, 404, "unknown-venue", Some("id"), None),
        (QueryError::RevokedVenue { field: "id" }, 410, "revoked-venue", Some("id"), None),
        (QueryError::from(ShopError::Press(unprintable.into())), 422, "unprintable-character", Some("name"), None),
        (QueryError::IssueUnknown, 503, "issue-unknown", None, Some(5)),
        (QueryError::from(ShopError::NoFonts), 503, "posters-unavailable", None, Some(30)),
        (QueryError::from(ShopError::Full), 503, "overloaded", None, Some(1)),
        (QueryError::from(ShopError::Aborted), 500, "internal-error", None, None),
        (QueryError::NotReady, 503, "not-ready", None, Some(5)),
        (QueryError::TooManyListeners, 429, "too-many-listeners", None, Some(30)),
        (QueryError::Overloaded, 503, "overloaded", None, Some(1)),
        (QueryError::Unavailable(StoreFailure::Silent), 503, "clickhouse-unavailable", None, Some(5)),
        (QueryError::TooExpensive(StoreFailure::Silent), 503, "query-too-expensive", None, Some(30)),
        (QueryError::Internal(StoreFailure::Silent), 500, "internal-error", None, None),
        (QueryError::Aborted, 500, "internal-error", None, None),
    ];
    for (error, status, kind, field, retry_after_s) in table {
        let shown = format!("{error:?}");
        assert_eq!(error.field(), field, "{shown}");
        assert_eq!(error.retry_after_s(), retry_after_s, "{shown}");
        let (actual_status, actual_kind) = error.status_and_kind();
        assert_eq!((actual_status.as_u16(), actual_kind), (status, kind), "{shown}");
        let response = error.into_response();
        assert_eq!(response.status(), status, "{shown}");
        assert_eq!(response.headers().contains_key("retry-after"), retry_after_s.is_some(), "{shown}");
    }
}
