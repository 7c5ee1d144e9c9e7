//! The metrics of the query service.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::jobs::Counts;

/// Time from asking ClickHouse until the last row is read, by kind of query.
pub const QUERY_SECONDS: &str = "query_api_query_seconds";
/// Rows that ClickHouse read by the time it began to answer, by kind of query.
pub const READ_ROWS_TOTAL: &str = "query_api_read_rows_total";
/// Rows that ClickHouse answered with, by kind of query.
pub const ANSWERED_ROWS_TOTAL: &str = "query_api_answered_rows_total";
/// Queries that failed, by kind of query: what is kept in memory goes another way then, which takes longer.
pub const FAILED_QUERIES_TOTAL: &str = "query_api_failed_queries_total";
/// Time for setting and exporting a poster, without waiting for a worker, by format.
pub const POSTER_SECONDS: &str = "query_api_poster_seconds";
/// Traces, and tables as files, that have left, by format and by how they ended.
pub const EXPORTS_TOTAL: &str = "query_api_exports_total";
/// Traces that wait as jobs.
pub const JOBS_WAITING: &str = "query_api_jobs_waiting";
/// Traces that run as jobs.
pub const JOBS_RUNNING: &str = "query_api_jobs_running";
/// Memory that the results of jobs take.
pub const JOB_RESULTS_BYTES: &str = "query_api_job_results_bytes";
/// Jobs that have ended, by outcome; one whose result has expired has ended twice, as done before.
pub const JOBS_ENDED_TOTAL: &str = "query_api_jobs_ended_total";
/// Requests that were answered with a problem, by kind of problem.
pub const PROBLEMS_TOTAL: &str = "query_api_problems_total";
/// The problem of a read that could not be written down, and so was not answered.
pub const NOT_AUDITED: &str = "audit-unavailable";
/// A registration that does not open, and is answered without what it holds.
pub const UNOPENED: &str = "identity-unopened";

/// Gives every metric its help text.
pub fn describe() {
    describe_histogram!(QUERY_SECONDS, Unit::Seconds, "Time from asking ClickHouse until the last row is read");
    describe_counter!(READ_ROWS_TOTAL, "Rows that ClickHouse read by the time it began to answer");
    describe_counter!(ANSWERED_ROWS_TOTAL, "Rows that ClickHouse answered with");
    describe_counter!(FAILED_QUERIES_TOTAL, "Queries that failed");
    describe_histogram!(POSTER_SECONDS, Unit::Seconds, "Time for setting and exporting a poster");
    describe_counter!(EXPORTS_TOTAL, "Traces, and tables as files, that have left, by how they ended");
    describe_gauge!(JOBS_WAITING, "Traces that wait as jobs");
    describe_gauge!(JOBS_RUNNING, "Traces that run as jobs");
    describe_gauge!(JOB_RESULTS_BYTES, Unit::Bytes, "Memory that the results of jobs take");
    describe_counter!(JOBS_ENDED_TOTAL, "Jobs that have ended, by outcome");
    describe_counter!(PROBLEMS_TOTAL, "Requests that were answered with a problem");
    // An alert on the increase of a counter sees nothing if it is not there before its first increment.
    [NOT_AUDITED, UNOPENED].iter().for_each(|problem| counter!(PROBLEMS_TOTAL, "problem" => *problem).increment(0));
}

pub(crate) fn queried(kind: &'static str, took: Duration, rows_read: u64, rows_answered: u64) {
    histogram!(QUERY_SECONDS, "kind" => kind).record(took);
    counter!(READ_ROWS_TOTAL, "kind" => kind).increment(rows_read);
    counter!(ANSWERED_ROWS_TOTAL, "kind" => kind).increment(rows_answered);
}

pub(crate) fn failed(kind: &'static str) {
    counter!(FAILED_QUERIES_TOTAL, "kind" => kind).increment(1);
}

pub(crate) fn printed(format: &'static str, took: Duration) {
    histogram!(POSTER_SECONDS, "format" => format).record(took);
}

/// How an export ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The connection took all of it.
    Whole,
    /// By our own fault.
    Broken,
    /// The client took no more of it.
    GivenUp,
}

pub(crate) fn exported(format: &'static str, sent: Sent) {
    let outcome = match sent {
        Sent::Whole => "whole",
        Sent::Broken => "broken",
        Sent::GivenUp => "given_up",
    };
    counter!(EXPORTS_TOTAL, "format" => format, "outcome" => outcome).increment(1);
}

pub(crate) fn jobs(counts: &Counts) {
    gauge!(JOBS_WAITING).set(counts.waiting as f64);
    gauge!(JOBS_RUNNING).set(counts.running as f64);
    gauge!(JOB_RESULTS_BYTES).set(counts.bytes as f64);
}

pub(crate) fn job_ended(outcome: &'static str) {
    counter!(JOBS_ENDED_TOTAL, "outcome" => outcome).increment(1);
}

pub(crate) fn problem(kind: &'static str) {
    counter!(PROBLEMS_TOTAL, "problem" => kind).increment(1);
}
