//! `/v1/traces/jobs`: traces that take long.

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use service::{Caller, Problem};
use utoipa::ToSchema;
use uuid::Uuid;

use super::traces::{self, TraceJobParams, TraceRequest, Wanted};
use crate::{
    AppState, QueryError, answer,
    input::{self, Fields, Segment},
    inquiry::TraceResponse,
    jobs::{self, JobId, State as JobState, Task, TraceJob},
    permit::permit,
    refusals::Refusals,
};

const ID: &str = "the identity of a job, 32 lower-case hex digits";

/// A trace that is asked for, and how far it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobResponse {
    /// Its identity.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    job: String,
    /// The account that asked.
    account: String,
    /// The release by which it reads.
    release: Option<Uuid>,
    /// `waiting`, `running`, `done`, `failed` or `cancelled`.
    #[schema(pattern = "^(waiting|running|done|failed|cancelled)$")]
    state: &'static str,
    /// While it waits: how many begin before it, if nobody else asks.
    place: Option<usize>,
    /// While it runs: how far it is.
    progress: Option<JobProgress>,
    /// When it was asked for.
    asked_at: DateTime<Utc>,
    /// When it began.
    begun_at: Option<DateTime<Utc>>,
    /// When it ended.
    ended_at: Option<DateTime<Utc>>,
    /// When it is forgotten with its result; null before it has ended.
    expires_at: Option<DateTime<Utc>>,
    /// Why it failed.
    problem: Option<Problem>,
}

/// How far a trace is.
#[derive(Debug, Serialize, ToSchema)]
struct JobProgress {
    /// The hop that it is at; 0 before the first.
    hop: u8,
    /// How many hops it has.
    hops: u8,
    /// Tenths of its present step that are done; null where that is not known. How many people were near is of the result.
    #[schema(minimum = 0, maximum = 10)]
    tenths_done: Option<u8>,
}

/// Asks for a trace that may take long
///
/// Takes what `POST /v1/traces` takes, but for `format` and `table`, and a release that covers it. The accounts have their
/// turns; a job ends with its service. That it is read is in the audit log when it begins, and again with each fetch.
#[utoipa::path(post, path = "/v1/traces/jobs", tag = "scans", request_body = TraceJobParams,
    responses(
        (status = 202, description = "It waits", body = JobResponse, headers(("Location" = String, description = "Where to look how far it is"))),
        (status = 400, description = "No JSON", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "As for `POST /v1/traces`; or not with this token", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too long", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not declared as JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A field is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`too-many-jobs`: yours", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`jobs-full`: everybody's; or not now", body = Problem, content_type = "application/problem+json"),
    ))]
pub async fn ask(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, QueryError> {
    let mut fields = Fields::try_from_json(&headers, body)?;
    let request = TraceRequest::take(&mut fields, state.city().tracing)?;
    fields.finish()?;
    // Nothing is read yet; whoever may not read it is told so now.
    let permit = permit(&state, &caller, jobs::ROUTE, request.release, request.to_read()).await?;
    let district = permit.district();
    drop(permit);
    let (id, job) = state.jobs().ask(Task { caller, request, district })?;
    let location = [(header::LOCATION, format!("/v1/traces/jobs/{id}"))];
    Ok((StatusCode::ACCEPTED, location, Json(shown(id, job))).into_response())
}

/// How far a job is
#[utoipa::path(get, path = "/v1/traces/jobs/{id}", tag = "scans",
    params(("id" = String, Path, description = "Identity of the job", pattern = "^[0-9a-f]{32}$")),
    responses(
        (status = 200, description = "The job", body = JobResponse),
        (status = 404, description = "`unknown-job`: none, another account's, or outside of the token's district", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "`job-expired`, or `job-lost` with a restart of the service: ask again", body = Problem, content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn job(
    State(state): State<AppState>,
    caller: Caller,
    id: Segment,
    fields: Fields,
) -> Result<Json<JobResponse>, QueryError> {
    let id = identity(id)?;
    fields.finish()?;
    let job = state.jobs().look(id, &caller)?;
    Ok(Json(shown(id, job)))
}

/// Ends a job
///
/// One that waits or runs is stopped, with whatever ClickHouse does for it; the result of one that is done is thrown away.
#[utoipa::path(delete, path = "/v1/traces/jobs/{id}", tag = "scans",
    params(("id" = String, Path, description = "Identity of the job", pattern = "^[0-9a-f]{32}$")),
    responses(
        (status = 200, description = "The job as it ended", body = JobResponse),
        (status = 404, description = "`unknown-job`: none, another account's, or outside of the token's district", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "`job-expired`, or `job-lost` with a restart of the service", body = Problem, content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn cancel(
    State(state): State<AppState>,
    caller: Caller,
    id: Segment,
    fields: Fields,
) -> Result<Json<JobResponse>, QueryError> {
    let id = identity(id)?;
    fields.finish()?;
    let job = state.jobs().cancel(id, &caller)?;
    Ok(Json(shown(id, job)))
}

/// The result of a job
///
/// As `POST /v1/traces` answers, in any format, as often as wanted until it expires. Each time it is a read: the release must
/// still be in force, and an entry is in the audit log before the answer leaves. Once somebody was erased, whoever it was,
/// results of jobs that began before are gone.
#[utoipa::path(get, path = "/v1/traces/jobs/{id}/result", tag = "scans",
    params(
        ("id" = String, Path, description = "Identity of the job", pattern = "^[0-9a-f]{32}$"),
        ("format" = Option<String>, Query, pattern = "^(json|csv|ndjson|parquet)$", description = "`json`, when left out: all of it; or one table as `csv`, `ndjson` or `parquet`"),
        ("table" = Option<String>, Query, pattern = "^(visits|contacts|venues)$", description = "With a format that is not `json`: `contacts`, when left out, `visits` or `venues`"),
    ),
    responses(
        (status = 200, description = "The visits and contacts. A file that breaks off is aborted, and has fewer rows than `x-row-count` says",
            content((TraceResponse = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"), (Vec<u8> = "application/vnd.apache.parquet")),
            headers(("Content-Disposition" = String, description = "The name of a file"), ("x-row-count" = u64, description = "Rows of a file"),
                ("x-truncated" = bool, description = "Whether a limit left anything out of a file"))),
        (status = 403, description = "As for `POST /v1/traces`; or not with this token", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`unknown-job`: none, another account's, or outside of the token's district", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`job-without-result`: not done, failed or cancelled", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "`job-expired`, `job-lost` with a restart of the service, or `job-outdated` since somebody was erased: ask again", body = Problem, content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn result(
    State(state): State<AppState>,
    caller: Caller,
    id: Segment,
    mut fields: Fields,
) -> Result<Response, QueryError> {
    let id = identity(id)?;
    let wanted = Wanted::take(&mut fields)?;
    fields.finish()?;
    state.jobs().look(id, &caller)?;
    let (job, trace) = state.jobs().result(id, &caller, state.store().erasures_done().await?)?;
    let exit = state.exits().exit(job.expires_at_ms)?;
    let request = job.question.request;
    let permit = permit(&state, &caller, "GET /v1/traces/jobs/{id}/result", request.release, request.to_read()).await?;
    traces::write_down(&state, permit, &trace).await?;
    Ok(wanted.answer(trace, exit))
}

fn identity(id: Segment) -> Result<JobId, QueryError> {
    input::segment(id, "id")?.parse().map_err(|()| input::invalid("id", ID))
}

fn shown(id: JobId, job: TraceJob) -> JobResponse {
    let state = job.state.as_str();
    let hops = job.question.request.question.hops;
    let (mut place, mut progress, mut problem) = (None, None, None);
    match job.state {
        JobState::Waiting { place: own } => place = Some(own),
        JobState::Running => {
            let step = job.progress.now();
            progress = Some(JobProgress { hop: step.hop, hops, tenths_done: step.tenths_done() });
        }
        JobState::Failed(why) => problem = Some(why.shown()),
        JobState::Done(_) | JobState::Cancelled => {}
    }
    JobResponse {
        job: id.to_string(),
        account: job.account,
        release: job.question.request.release,
        state,
        place,
        progress,
        asked_at: answer::time_of_ms(job.asked_at_ms),
        begun_at: job.begun_at_ms.map(answer::time_of_ms),
        ended_at: job.ended_at_ms.map(answer::time_of_ms),
        expires_at: job.expires_at_ms.map(answer::time_of_ms),
        problem,
    }
}
