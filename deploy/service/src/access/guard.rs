//! The guard before every route, and the router that puts it there.

use std::{
    future::{Ready, ready},
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    extract::{ConnectInfo, Request},
    http::{HeaderMap, Method},
    response::{IntoResponse, Response},
};
use futures::future::Either;
use schemas::{
    UnixSeconds,
    access::{Rule, Table},
};
use tower::{Layer, Service};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::{AccessError, Caller, Verifier, document};
use crate::http::address_key;

/// Collects routes, each behind a guard that holds requests against a table.
pub struct GuardedRouter<S> {
    router: OpenApiRouter<S>,
    table: Table,
    verifier: Arc<Verifier>,
}

impl<S: Clone + Send + Sync + 'static> GuardedRouter<S> {
    /// No routes yet; those that come are added to the document, with their roles.
    pub fn new(mut document: OpenApi, table: Table, verifier: Arc<Verifier>) -> Self {
        document::add_scheme(&mut document);
        Self { router: OpenApiRouter::with_openapi(document), table, verifier }
    }

    /// Adds what `utoipa_axum::routes!` makes of handlers. Routes that the table does not list are refused.
    #[must_use]
    pub fn routes(mut self, (schemas, mut paths, methods): UtoipaMethodRouter<S>) -> Self {
        let mut rules = Vec::new();
        for (path, item) in &mut paths.paths {
            rules.extend(document::describe(self.table, path, item));
        }
        let guard = GuardLayer { rules: rules.into(), verifier: Arc::clone(&self.verifier) };
        self.router = self.router.routes((schemas, paths, methods.route_layer(guard)));
        self
    }

    /// The router and the document.
    pub fn split_for_parts(self) -> (axum::Router<S>, OpenApi) {
        self.router.split_for_parts()
    }
}

#[derive(Clone)]
struct GuardLayer {
    /// By method; of one path.
    rules: Arc<[(&'static str, Option<&'static Rule>)]>,
    verifier: Arc<Verifier>,
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard { inner, layer: self.clone() }
    }
}

/// Lets requests through whose token fits the rule, and tells the handler who asks.
#[derive(Clone)]
struct Guard<S> {
    inner: S,
    layer: GuardLayer,
}

impl<S> Service<Request> for Guard<S>
where
    S: Service<Request, Response = Response>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Either<Ready<Result<Response, S::Error>>, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        match self.layer.admit(&mut request) {
            Ok(()) => Either::Right(self.inner.call(request)),
            Err(error) => Either::Left(ready(Ok(error.into_response()))),
        }
    }
}

impl GuardLayer {
    fn admit(&self, request: &mut Request) -> Result<(), AccessError> {
        // axum answers HEAD where there is a GET.
        let method = if request.method() == Method::HEAD { "GET" } else { request.method().as_str() };
        let rule = self.rules.iter().find(|(own, _)| *own == method).and_then(|(_, rule)| *rule);
        let rule = rule.ok_or(AccessError::NoRule)?;
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
        if let Some(caller) = admit(rule, &self.verifier, request.headers(), peer)? {
            request.extensions_mut().insert(caller);
        }
        Ok(())
    }
}

/// Who sends a request by this rule; nobody in particular where it takes no token.
///
/// # Errors
/// When there is no token, it does not hold now, or the rule does not let its holder in.
pub fn admit(
    rule: &Rule,
    verifier: &Verifier,
    headers: &HeaderMap,
    peer: Option<SocketAddr>,
) -> Result<Option<Caller>, AccessError> {
    if rule.roles.is_none() {
        return Ok(None);
    }
    let caller = verifier.check(headers, peer.map_or(0, |peer| address_key(peer.ip())), now())?;
    rule.check(caller.claims())?;
    Ok(Some(caller))
}

fn now() -> UnixSeconds {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX)
}
