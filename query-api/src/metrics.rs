//! The metrics of the query service.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

/// Time from asking ClickHouse until the last row is read, by kind of query.
pub const QUERY_SECONDS: &str = "query_api_query_seconds";
/// Rows that ClickHouse read by the time it began to answer, by kind of query.
pub const READ_ROWS_TOTAL: &str = "query_api_read_rows_total";
/// Rows that ClickHouse answered with, by kind of query.
pub const ANSWERED_ROWS_TOTAL: &str = "query_api_answered_rows_total";
/// Time for setting and exporting a poster, without waiting for a worker, by format.
pub const POSTER_SECONDS: &str = "query_api_poster_seconds";
/// Requests that were answered with a problem, by kind of problem.
pub const PROBLEMS_TOTAL: &str = "query_api_problems_total";

/// Gives every metric its help text.
pub fn describe() {
    describe_histogram!(QUERY_SECONDS, Unit::Seconds, "Time from asking ClickHouse until the last row is read");
    describe_counter!(READ_ROWS_TOTAL, "Rows that ClickHouse read by the time it began to answer");
    describe_counter!(ANSWERED_ROWS_TOTAL, "Rows that ClickHouse answered with");
    describe_histogram!(POSTER_SECONDS, Unit::Seconds, "Time for setting and exporting a poster");
    describe_counter!(PROBLEMS_TOTAL, "Requests that were answered with a problem");
}

pub(crate) fn queried(kind: &'static str, took: Duration, rows_read: u64, rows_answered: u64) {
    histogram!(QUERY_SECONDS, "kind" => kind).record(took);
    counter!(READ_ROWS_TOTAL, "kind" => kind).increment(rows_read);
    counter!(ANSWERED_ROWS_TOTAL, "kind" => kind).increment(rows_answered);
}

pub(crate) fn printed(format: &'static str, took: Duration) {
    histogram!(POSTER_SECONDS, "format" => format).record(took);
}

pub(crate) fn problem(kind: &'static str) {
    counter!(PROBLEMS_TOTAL, "problem" => kind).increment(1);
}
