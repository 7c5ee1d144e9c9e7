//! `GET /v1/venues/{id}/visitors`: who was at a venue.

use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use schemas::{Colour, Direction, Method, PersonKey, VenueId, Verdict};
use serde::Serialize;
use service::Caller;
use utoipa::ToSchema;

use super::visits::{DEFAULT_LIMIT, MAX_LIMIT};
use crate::{
    AppState, QueryError, answer,
    export::{self, Cell, Column, Table},
    input::{self, Fields, Segment},
    limits,
    permit::{self, permit},
    refusals::{Refusals, ReleaseRefusals},
    release::{Asked, Question, Subject},
    store::VisitorRow,
};

const VENUE: &str = "the number of a venue, from 0 to 4294967295";

/// The visitors of a venue.
#[derive(Debug, Serialize, ToSchema)]
pub struct VisitorsResponse {
    /// Number of the venue.
    venue: VenueId,
    /// Scans, oldest first.
    visitors: Vec<Visitor>,
    /// Whether there are more than the limit let through.
    truncated: bool,
}

/// A scan at a known venue.
#[derive(Debug, Serialize, ToSchema)]
struct Visitor {
    /// Who.
    #[schema(value_type = String, pattern = "^[1-9a-f][0-9a-f]{15}$")]
    person: PersonKey,
    /// When.
    scanned_at: DateTime<Utc>,
    /// How.
    method: Method,
    /// In or out.
    direction: Direction,
    /// What the person was told.
    verdict: Verdict,
    /// Colour in force at the scan.
    colour: Colour,
}

impl From<VisitorRow> for Visitor {
    fn from(row: VisitorRow) -> Self {
        let VisitorRow { person_id: person, scanned_at, method, direction, verdict, colour } = row;
        Self { person, scanned_at: answer::time(scanned_at), method, direction, verdict, colour }
    }
}

/// Reads the number of a venue.
///
/// # Errors
/// When the text is no number or too large.
pub(super) fn venue(text: &str, field: &'static str) -> Result<VenueId, QueryError> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or_else(|| input::invalid(field, VENUE))
}

/// Who was at a venue, oldest first
///
/// Takes a release that names the venue and covers the time. That it was read, by whom and why, is in the audit log before
/// the answer leaves.
#[utoipa::path(get, path = "/v1/venues/{id}/visitors", tag = "scans",
    params(
        ("id" = u32, Path, description = "Number of the venue"),
        ("from" = String, Query, format = DateTime, description = "First second"),
        ("to" = String, Query, format = DateTime, description = "First second after it"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 10_000, description = "Most rows; 1000 when left out"),
        ("format" = Option<String>, Query, pattern = "^(json|csv|ndjson|parquet)$", description = "`json`, when left out, `csv`, `ndjson` or `parquet`"),
        ("release" = Uuid, Query, description = "The release by which it is read; it covers the venues that it names, with one hop at least"),
    ),
    responses(
        (status = 200, description = "The visitors; none for a venue that is not known",
            content((VisitorsResponse = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"), (Vec<u8> = "application/vnd.apache.parquet")),
            headers(("Content-Disposition" = String, description = "The name of a file"), ("x-row-count" = u64, description = "Rows of a file"),
                ("x-truncated" = bool, description = "Whether a limit left anything out of a file"))),
        ReleaseRefusals,
        Refusals,
    ))]
pub async fn visitors(
    State(state): State<AppState>,
    caller: Caller,
    id: Segment,
    mut fields: Fields,
) -> Result<Response, QueryError> {
    let venue = venue(&input::segment(id, "id")?, "id")?;
    let time = fields.time_range()?;
    let limit = fields.number("limit", 1..=MAX_LIMIT, DEFAULT_LIMIT)?;
    let release = permit::named(&mut fields)?;
    let format = export::format(&mut fields)?;
    fields.finish()?;

    limits::check_venue(state.store(), caller.scope(), venue).await?;
    let asked = vec![Asked { subject: Subject::Venue(venue), field: "id" }];
    let question = Question { asked, time: Some(time), steps: 1, window_minutes: 0, window_field: "release" };
    let permit = permit(&state, &caller, "GET /v1/venues/{id}/visitors", release, question).await?;
    let (rows, truncated) = state.store().visitors(venue, time, limit as usize).await?;
    let depth = permit.depth_of([0], 1);
    let way = state.exits().way(format)?;
    permit.write_down(&state, rows.iter().map(|row| (row.person_id, depth)), rows.len()).await?;
    let visitors = rows.into_iter().map(Visitor::from).collect();
    Ok(export::answer(way, VisitorsResponse { venue, visitors, truncated }))
}

impl Table for VisitorsResponse {
    fn name(&self) -> &'static str {
        "visitors"
    }

    fn columns(&self) -> &'static [Column] {
        const COLUMNS: [Column; 7] = [
            Column::whole("venue"),
            Column::text("person"),
            Column::time("scanned_at"),
            Column::text("method"),
            Column::text("direction"),
            Column::text("verdict"),
            Column::text("colour"),
        ];
        &COLUMNS
    }

    fn count(&self) -> usize {
        self.visitors.len()
    }

    fn is_truncated(&self) -> bool {
        self.truncated
    }

    fn rows(&self) -> Box<dyn Iterator<Item = Vec<Cell<'_>>> + Send + '_> {
        let row = |visitor: &Visitor| {
            vec![
                self.venue.into(),
                Cell::word(visitor.person),
                visitor.scanned_at.into(),
                Cell::word(visitor.method),
                Cell::word(visitor.direction),
                Cell::word(visitor.verdict),
                Cell::word(visitor.colour),
            ]
        };
        Box::new(self.visitors.iter().map(row))
    }
}
