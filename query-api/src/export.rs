//! Answers as files: flat tables as CSV, NDJSON and Parquet, sent piece by piece.
//!
//! [`cells`] says what a table is, [`formats`] turns rows into bytes, [`sending`] lets them leave. Who may have them is
//! settled and written down before: nothing here asks. JSON is the whole answer as the routes have it, no table; a long one
//! leaves piece by piece as well. [`exits`] says how many do at the same time, and for how long.

mod cells;
mod csv;
mod exits;
mod formats;
mod ndjson;
mod parquet;
mod sending;

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{
    QueryError,
    input::{self, Fields},
};

pub use cells::{Cell, Column, Kind, Table};
pub use exits::{Exit, Exits, Way};
pub use formats::TableFormat;

/// How many rows a file has, known before the first of them leaves: whoever counts fewer has not got all.
pub const ROW_COUNT: HeaderName = HeaderName::from_static("x-row-count");
/// Whether a limit left anything out.
pub const TRUNCATED: HeaderName = HeaderName::from_static("x-truncated");

const FORMAT: &str = "one of json, csv, ndjson, parquet";

/// What an answer can be had as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The whole answer.
    Json,
    /// One flat table of it.
    Table(TableFormat),
}

/// The format that a request names in `format`, JSON when it names none. A field and no `Accept`: what a browser or a client
/// sends there by itself is nobody's choice, and a file should not depend on it.
///
/// # Errors
/// When it is none of them.
pub fn format(fields: &mut Fields) -> Result<Format, QueryError> {
    match fields.text("format", FORMAT)?.as_deref() {
        None | Some("json") => Ok(Format::Json),
        Some(word) => {
            let format = TableFormat::ALL.into_iter().find(|format| format.as_str() == word);
            format.map(Format::Table).ok_or_else(|| input::invalid("format", FORMAT))
        }
    }
}

/// What is told of people belongs on no disk that nobody chose.
pub(crate) const NO_STORE: (HeaderName, HeaderValue) = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));

/// The answer in its format.
pub fn answer<T: Table + Serialize>(way: Way, answer: T) -> Response {
    match way {
        Way::Json => ([NO_STORE], Json(answer)).into_response(),
        Way::File(format, exit) => file(format, answer, exit),
    }
}

/// A long answer as JSON, which is written while it leaves.
pub fn json<T: Serialize + Send + Sync + 'static>(answer: Arc<T>, exit: Exit) -> Response {
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json")), NO_STORE];
    (headers, Body::from_stream(sending::json(answer, exit))).into_response()
}

/// A table as a file. Its name is that of the table: it tells nothing of whom it is about.
pub fn file(format: TableFormat, table: impl Table, exit: Exit) -> Response {
    let name = format!("attachment; filename=\"{}.{}\"", table.name(), format.as_str());
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(format.media_type())),
        (header::CONTENT_DISPOSITION, HeaderValue::try_from(name).unwrap_or(HeaderValue::from_static("attachment"))),
        NO_STORE,
        (ROW_COUNT, HeaderValue::from(table.count())),
        (TRUNCATED, HeaderValue::from_static(if table.is_truncated() { "true" } else { "false" })),
    ];
    (headers, Body::from_stream(sending::pieces(format, table, exit))).into_response()
}
