//! `GET /v1/persons/{person}/visits`: where a person was.

use axum::{extract::State, response::Response};
use schemas::PersonKey;
use serde::Serialize;
use service::Caller;
use utoipa::ToSchema;

use crate::{
    AppState, QueryError,
    answer::{self, Visit},
    export::{self, Cell, Column, Table},
    input::{self, Fields, Segment},
    permit::{self, permit},
    refusals::{Refusals, ReleaseRefusals},
    release::{Asked, Question, Subject},
};

/// Most rows in an answer.
pub(super) const MAX_LIMIT: u32 = 10_000;
/// Rows in an answer when the request does not say.
pub(super) const DEFAULT_LIMIT: u32 = 1_000;

/// The visits of a person.
#[derive(Debug, Serialize, ToSchema)]
pub struct VisitsResponse {
    /// Who.
    #[schema(value_type = String, pattern = "^[1-9a-f][0-9a-f]{15}$")]
    person: PersonKey,
    /// Scans, oldest first; one by another method at the same point within minutes is the same visit (S3), and left out.
    visits: Vec<Visit>,
    /// Whether there are more than the limit let through.
    truncated: bool,
}

/// Where a person was, oldest first
///
/// Takes a release that covers the person and the time. That it was read, by whom and why, is in the audit log before the
/// answer leaves.
#[utoipa::path(get, path = "/v1/persons/{person}/visits", tag = "scans",
    params(
        ("person" = String, Path, description = "Person key", pattern = "^[1-9a-f][0-9a-f]{15}$"),
        ("from" = String, Query, format = DateTime, description = "First second"),
        ("to" = String, Query, format = DateTime, description = "First second after it"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 10_000, description = "Most rows; 1000 when left out"),
        ("format" = Option<String>, Query, pattern = "^(json|csv|ndjson|parquet)$", description = "`json`, when left out, `csv`, `ndjson` or `parquet`"),
        ("release" = Uuid, Query, description = "The release by which it is read; it covers whom it names, and, as far as its hops go, whom a trace by it has found"),
    ),
    responses(
        (status = 200, description = "The visits; none for a person who is not known",
            content((VisitsResponse = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"), (Vec<u8> = "application/vnd.apache.parquet")),
            headers(("Content-Disposition" = String, description = "The name of a file"), ("x-row-count" = u64, description = "Rows of a file"),
                ("x-truncated" = bool, description = "Whether a limit left anything out of a file"))),
        ReleaseRefusals,
        Refusals,
    ))]
pub async fn visits(
    State(state): State<AppState>,
    caller: Caller,
    person: Segment,
    mut fields: Fields,
) -> Result<Response, QueryError> {
    let person = input::person(&input::segment(person, "person")?)?;
    let time = fields.time_range()?;
    let limit = fields.number("limit", 1..=MAX_LIMIT, DEFAULT_LIMIT)?;
    let release = permit::named(&mut fields)?;
    let format = export::format(&mut fields)?;
    fields.finish()?;

    let asked = vec![Asked { subject: Subject::Person(person), field: "person" }];
    let question = Question { asked, time: Some(time), steps: 0, window_minutes: 0, window_field: "release" };
    let permit = permit(&state, &caller, "GET /v1/persons/{person}/visits", release, question).await?;
    let visits = state.store().visits(person, time, limit as usize, state.either_or_s()).await?;
    let names = state.directory().names(visits.scans.iter().map(|(row, _)| row.venue_id)).await?;
    let truncated = visits.more;
    let visits = answer::visits(&visits, &names, state.beliefs());
    let way = state.exits().way(format)?;
    permit.write_down(&state, [], visits.len()).await?;
    Ok(export::answer(way, VisitsResponse { person, visits, truncated }))
}

impl Table for VisitsResponse {
    fn name(&self) -> &'static str {
        "visits"
    }

    fn columns(&self) -> &'static [Column] {
        const COLUMNS: [Column; 9] = [
            Column::text("person"),
            Column::whole("venue"),
            Column::text("venue_name"),
            Column::time("scanned_at"),
            Column::text("method"),
            Column::text("direction"),
            Column::text("verdict"),
            Column::text("colour"),
            Column::text("flags"),
        ];
        &COLUMNS
    }

    fn count(&self) -> usize {
        self.visits.len()
    }

    fn is_truncated(&self) -> bool {
        self.truncated
    }

    fn rows(&self) -> Box<dyn Iterator<Item = Vec<Cell<'_>>> + Send + '_> {
        let row = |visit| [vec![Cell::word(self.person)], Visit::cells(visit)].concat();
        Box::new(self.visits.iter().map(row))
    }
}
