//! Why a request is not let in; the only place that picks status and kind. No message repeats anything of a token.

use std::{borrow::Cow, time::Duration};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemas::access::{ClaimsError, Limit, Refusal, Role};

use crate::Problem;

/// Requests that were not let in, by kind of problem.
const REFUSED_TOTAL: &str = "service_refused_requests_total";
/// What the client got wrong, as problems name it.
const FIELD: &str = "authorization";

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// There is no token.
    #[error("expected a header `Authorization: Bearer TOKEN`")]
    Missing,
    /// What is there is no token as they are issued here.
    #[error("the token cannot be read: {0}")]
    Malformed(&'static str),
    /// It names a key that is not, or no longer, among those that are known.
    #[error("the token's key is not known here; it may have been retired")]
    UnknownKey,
    /// The signature does not fit.
    #[error("the token's signature does not fit")]
    Forged,
    /// The signature fits, but what it says cannot be relied on.
    #[error(transparent)]
    Claims(#[from] ClaimsError),
    /// Too many bad tokens came from this address.
    #[error("too many bad tokens came from this address")]
    TooManyFailures {
        /// After how long its tokens are read again.
        retry_after: Duration,
    },
    /// The route takes another role.
    #[error("this takes a token of role {}", words(roles))]
    Role {
        /// One of these.
        roles: &'static [Role],
    },
    /// The token is limited in a way that the route cannot hold to.
    #[error("the token's scope is limited by `{}`, which this route does not hold to", .0.as_str())]
    Limit(Limit),
    /// Nobody may use the route.
    #[error("nobody is allowed this")]
    NoRule,
}

fn words(roles: &[Role]) -> Cow<'static, str> {
    match roles {
        [] => "none".into(),
        [role] => role.as_str().into(),
        roles => roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" or ").into(),
    }
}

impl From<Refusal> for AccessError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Role(roles) => Self::Role { roles },
            Refusal::Limit(limit) => Self::Limit(limit),
        }
    }
}

impl AccessError {
    const fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Missing => (StatusCode::UNAUTHORIZED, "token-missing"),
            Self::Malformed(_) => (StatusCode::UNAUTHORIZED, "token-malformed"),
            Self::UnknownKey => (StatusCode::UNAUTHORIZED, "token-unknown-key"),
            Self::Forged => (StatusCode::UNAUTHORIZED, "token-forged"),
            Self::Claims(ClaimsError::WrongIssuer) => (StatusCode::UNAUTHORIZED, "token-wrong-issuer"),
            Self::Claims(ClaimsError::WrongAudience) => (StatusCode::UNAUTHORIZED, "token-wrong-audience"),
            Self::Claims(ClaimsError::Expired) => (StatusCode::UNAUTHORIZED, "token-expired"),
            Self::Claims(ClaimsError::NotYetValid) => (StatusCode::UNAUTHORIZED, "token-not-yet-valid"),
            Self::Claims(ClaimsError::LivesTooLong) => (StatusCode::UNAUTHORIZED, "token-lives-too-long"),
            Self::Claims(ClaimsError::SubNotNormal) => (StatusCode::UNAUTHORIZED, "token-sub-not-normal"),
            Self::Claims(_) => (StatusCode::UNAUTHORIZED, "token-malformed"),
            Self::TooManyFailures { .. } => (StatusCode::TOO_MANY_REQUESTS, "too-many-bad-tokens"),
            Self::Role { .. } | Self::NoRule => (StatusCode::FORBIDDEN, "role-not-allowed"),
            Self::Limit(_) => (StatusCode::FORBIDDEN, "out-of-scope"),
        }
    }

    /// What a client is told to bring (RFC 6750); with a 403 the problem itself says so.
    const fn challenge(&self) -> Option<&'static str> {
        match self.kind().0 {
            StatusCode::UNAUTHORIZED if matches!(self, Self::Missing) => Some(r#"Bearer realm="venuecode""#),
            StatusCode::UNAUTHORIZED => Some(r#"Bearer realm="venuecode", error="invalid_token""#),
            _ => None,
        }
    }
}

impl IntoResponse for AccessError {
    fn into_response(self) -> Response {
        let (status, kind) = self.kind();
        metrics::counter!(REFUSED_TOTAL, "kind" => kind).increment(1);
        tracing::debug!(kind, "a request was not let in");
        let mut problem = Problem::new(status, kind).with_detail(self.to_string());
        if status == StatusCode::UNAUTHORIZED {
            problem = problem.with_field(FIELD);
        }
        if let Self::TooManyFailures { retry_after } = self {
            problem = problem.with_retry_after(retry_after.as_secs() + 1);
        }
        let challenge = self.challenge();
        let mut response = problem.into_response();
        if let Some(challenge) = challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

/// Gives the metric its help text.
pub(super) fn describe() {
    metrics::describe_counter!(REFUSED_TOTAL, "Requests that were not let in, by kind of problem");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_status_and_challenge() {
        let roles = &[Role::Device, Role::Citizen];
        for (error, status, kind, challenge) in [
            (AccessError::Missing, 401, "token-missing", true),
            (AccessError::Malformed("x"), 401, "token-malformed", true),
            (AccessError::UnknownKey, 401, "token-unknown-key", true),
            (AccessError::Forged, 401, "token-forged", true),
            (ClaimsError::WrongIssuer.into(), 401, "token-wrong-issuer", true),
            (ClaimsError::WrongAudience.into(), 401, "token-wrong-audience", true),
            (ClaimsError::Expired.into(), 401, "token-expired", true),
            (ClaimsError::NotYetValid.into(), 401, "token-not-yet-valid", true),
            (ClaimsError::LivesTooLong.into(), 401, "token-lives-too-long", true),
            (ClaimsError::SubNotNormal.into(), 401, "token-sub-not-normal", true),
            (ClaimsError::NoHolder.into(), 401, "token-malformed", true),
            (AccessError::TooManyFailures { retry_after: Duration::ZERO }, 429, "too-many-bad-tokens", false),
            (AccessError::Role { roles }, 403, "role-not-allowed", true),
            (AccessError::NoRule, 403, "role-not-allowed", true),
            (AccessError::Limit(Limit::District), 403, "out-of-scope", true),
        ] {
            assert_eq!((error.kind().0.as_u16(), error.kind().1), (status, kind));
            let response = error.into_response();
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers().contains_key("www-authenticate"), challenge, "{kind}");
        }
        assert_eq!(AccessError::Role { roles }.to_string(), "this takes a token of role device or citizen");
    }
}
