//! `POST /v1/traces`: who was near some people, or at some venues.
//!
//! In a body, not in a URL: who is traced belongs in no log of a proxy.

mod request;

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::HeaderMap,
    response::Response,
};
use service::{Caller, Problem};

use crate::{
    AppState, QueryError,
    input::Fields,
    inquiry::{self, Progress, TraceResponse},
    permit::{Permit, permit},
    refusals::{Refusals, ReleaseRefusals},
};

pub use request::{TraceJobParams, TraceParams, TraceRequest, Wanted};

/// The one route that waits for a turn of its own, rather than for a slot.
pub(super) const PATH: &str = "/v1/traces";
const ROUTE: &str = "POST /v1/traces";

/// Who was near some people, or at some venues, and whom these met afterwards
///
/// Takes a release that covers every person and venue, the time and the hops. That it was read, by whom and why, is in the
/// audit log before the answer leaves. Few traces are worked on at a time, of one account half as many; others wait for their
/// turn, for as long as a query may take, and are then refused (`overloaded`).
#[utoipa::path(post, path = "/v1/traces", tag = "scans", request_body = TraceParams,
    responses(
        (status = 200, description = "The visits and contacts; none for a person who is not known. A file that breaks off is aborted, and has fewer rows than `x-row-count` says",
            content((TraceResponse = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"), (Vec<u8> = "application/vnd.apache.parquet")),
            headers(("Content-Disposition" = String, description = "The name of a file"), ("x-row-count" = u64, description = "Rows of a file"),
                ("x-truncated" = bool, description = "Whether a limit left anything out of a file"))),
        (status = 400, description = "No JSON", body = Problem, content_type = "application/problem+json"),
        ReleaseRefusals,
        (status = 413, description = "Too long", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not declared as JSON", body = Problem, content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn trace(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, QueryError> {
    let mut fields = Fields::try_from_json(&headers, body)?;
    let wanted = Wanted::take(&mut fields)?;
    let request = TraceRequest::take(&mut fields, state.city().tracing)?;
    fields.finish()?;
    let turn = state.turns().turn(&caller.claims().sub).await?;
    // After that: a release that is taken back while somebody waits is not read by.
    let permit = permit(&state, &caller, ROUTE, request.release, request.to_read()).await?;
    let answer = inquiry::trace(state.clone(), request.question, chrono::Utc::now(), &Progress::default()).await?;
    drop(turn);
    let (answer, exit) = (Arc::new(answer), state.exits().exit(None)?);
    // Its first pieces are made while the disk is waited for; nothing of it leaves before.
    let response = wanted.answer(Arc::clone(&answer), exit);
    write_down(&state, permit, &answer).await?;
    Ok(response)
}

/// Writes a trace down that is answered, in whatever format: it counts as read as a whole.
pub(super) async fn write_down(state: &AppState, permit: Permit, answer: &TraceResponse) -> Result<(), QueryError> {
    let reached = answer.reached().map(|(person, hop, cases)| {
        let cases = cases.iter().map(|case| usize::from(*case));
        (person, permit.depth_of(cases, hop))
    });
    let (reached, scans) = (reached.collect::<Vec<_>>(), answer.scans());
    permit.write_down(state, reached, scans).await
}
