//! Answers as files: flat tables as CSV, NDJSON and Parquet, sent piece by piece.
//!
//! [`cells`] says what a table is, [`formats`] turns rows into bytes, [`sending`] lets them leave. Who may have them is
//! settled and written down before: nothing here asks. JSON is the whole answer as the routes have it, no table.

mod cells;
mod csv;
mod formats;
mod ndjson;
mod parquet;
mod sending;

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

/// The answer in its format.
pub fn answer<T: Table + Serialize>(format: Format, answer: T) -> Response {
    match format {
        Format::Json => Json(answer).into_response(),
        Format::Table(format) => file(format, answer),
    }
}

/// A table as a file. Its name is that of the table: it tells nothing of whom it is about.
pub fn file(format: TableFormat, table: impl Table) -> Response {
    let name = format!("attachment; filename=\"{}.{}\"", table.name(), format.as_str());
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(format.media_type())),
        (header::CONTENT_DISPOSITION, HeaderValue::try_from(name).unwrap_or(HeaderValue::from_static("attachment"))),
        // Movements belong on no disk that nobody chose.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (ROW_COUNT, HeaderValue::from(table.count())),
        (TRUNCATED, HeaderValue::from_static(if table.is_truncated() { "true" } else { "false" })),
    ];
    (headers, Body::from_stream(sending::pieces(format, table))).into_response()
}
