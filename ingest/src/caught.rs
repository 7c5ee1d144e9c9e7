//! An answer for whoever asks a handler that panics.

use std::{
    any::Any,
    convert::Infallible,
    panic::AssertUnwindSafe,
    task::{Context, Poll},
};

use axum::{
    http::Request,
    response::{IntoResponse, Response},
};
use futures::{
    FutureExt,
    future::{CatchUnwind, Map},
};
use tower::Service;

use crate::error::IngestError;

type Answer = Result<Response, Infallible>;

/// Answers 500 where the service within panics. That of `tower-http` boxes each answer's body for it.
#[derive(Debug, Clone)]
pub struct Caught<S>(pub S);

impl<S, B> Service<Request<B>> for Caught<S>
where
    S: Service<Request<B>, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Map<CatchUnwind<AssertUnwindSafe<S::Future>>, fn(Result<Answer, Box<dyn Any + Send>>) -> Answer>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // What the handler held is dropped; the state that requests share locks without poisoning.
        AssertUnwindSafe(self.0.call(request)).catch_unwind().map(|answered| match answered {
            Ok(answer) => answer,
            Err(_) => Ok(IngestError::Internal.into_response()),
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, http::header, routing::get};
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_answered_without_its_words() {
        let router = Router::new().route("/panic", get(async || -> () { panic!("for the test") }));
        let caught = Caught(router.route("/", get(async || "fine")));
        let ask = |path| caught.clone().oneshot(Request::get(path).body(Body::empty()).expect("a request"));
        let answer = ask("/panic").await.expect("an answer");
        assert_eq!(answer.status(), 500);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/problem+json");
        let body = axum::body::to_bytes(answer.into_body(), 10_000).await.expect("a body");
        assert!(!String::from_utf8_lossy(&body).contains("for the test"));
        assert_eq!(ask("/").await.expect("an answer").status(), 200);
    }
}
