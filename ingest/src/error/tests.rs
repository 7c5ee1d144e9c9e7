use super::*;

#[test]
fn each_error_has_its_status_its_field_and_its_retry() {
    let quota = Quota { per_second: 5, burst: 9 };
    let table = [
        (IngestError::MalformedJson { what: "x", line: 1, column: 2 }, 400, None, None),
        (IngestError::BrokenEncoding { encoding: "gzip" }, 400, None, None),
        (IngestError::OutOfScope { field: "venue", limit: Limit::Venues }, 403, Some("venue"), None),
        (IngestError::RoleNotAllowed { field: "method", expected: "x" }, 403, Some("method"), None),
        (IngestError::UnknownVenue { field: "venue" }, 404, Some("venue"), None),
        (IngestError::NoFreight, 404, None, None),
        (IngestError::UnknownTrip, 404, Some("id"), None),
        (IngestError::BodyIncomplete { limit_s: 1 }, 408, None, None),
        (IngestError::RevokedCode { field: "code" }, 409, Some("code"), None),
        (IngestError::CodeNotInForce { field: "venue" }, 409, Some("venue"), None),
        (IngestError::RegistrationRequired { form: FormKind::Venue, fields: Box::default() }, 409, None, None),
        (IngestError::AlreadyRegistered, 409, None, None),
        (IngestError::WrongLastFour { tries_left: 2 }, 422, Some("last_four"), None),
        (IngestError::LastFourLocked { retry_after_s: 9 }, 429, Some("last_four"), Some("9")),
        (IngestError::BodyTooLarge { limit_bytes: 1 }, 413, None, None),
        (IngestError::TooManyLines { limit: 1 }, 413, None, None),
        (IngestError::UnsupportedMediaType { expected: "a/b" }, 415, None, None),
        (IngestError::UnsupportedEncoding { expected: "gzip" }, 415, None, None),
        (IngestError::NotAnObject, 422, None, None),
        (IngestError::UnknownField { field: "a".into(), known: "b".into() }, 422, Some("a"), None),
        (IngestError::missing("a", "b"), 422, Some("a"), None),
        (IngestError::invalid("a", "b"), 422, Some("a"), None),
        (IngestError::Document(DocumentError::IdCardCheck), 422, Some("document.number"), None),
        (IngestError::Ineligible(Ineligible::Method(String::new())), 422, Some("method"), None),
        (IngestError::Ineligible(Ineligible::Age), 422, Some("offline_reason"), None),
        (IngestError::Code(CodeError::Signature), 422, Some("code"), None),
        (IngestError::TooManyRequests { retry_after_s: 7, quota }, 429, None, Some("7")),
        (IngestError::TooManyAtOnce, 429, None, Some("1")),
        (IngestError::Internal, 500, None, None),
        (IngestError::Overloaded, 503, None, Some("1")),
        (IngestError::SpoolFull, 503, None, Some("10")),
        (IngestError::NotReady, 503, None, Some("1")),
        (IngestError::QueueFull, 503, None, Some("1")),
        (IngestError::KafkaUnavailable, 503, None, Some("2")),
    ];
    for (error, status, field, retry) in table {
        let shown = format!("{error:?}");
        let problem = error.problem();
        assert_eq!((problem.status, problem.field.as_deref()), (status, field), "{shown}");
        let response = error.into_response();
        assert_eq!(response.status().as_u16(), status, "{shown}");
        assert_eq!(response.headers().get("retry-after").map(|v| v.to_str().expect("ascii")), retry, "{shown}");
    }
}
