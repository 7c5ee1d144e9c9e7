//! Names of the gateway's metrics and the handles to them; a handle costs nothing to count on, a name does.

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use schemas::Verdict;

/// Scans by outcome: the verdict that was shown, or `rejected`.
const SCANS_TOTAL: &str = "ingest_scans_total";
/// Accepted lines of the feeds, by feed.
const FEED_LINES_TOTAL: &str = "ingest_feed_lines_total";
/// Requests by route.
const REQUESTS_TOTAL: &str = "ingest_requests_total";
/// Problems answered, by kind.
const PROBLEMS_TOTAL: &str = "ingest_problems_total";
/// Messages that Kafka did not acknowledge in time, or refused.
const UNDELIVERED_TOTAL: &str = "ingest_undelivered_messages_total";
/// Messages on the table topics that could not be used and were skipped, by table.
const SKIPPED_TOTAL: &str = "ingest_skipped_messages_total";
/// Rows of the tables in memory, by table.
const TABLE_ROWS: &str = "ingest_table_rows";
/// Time from a scan request's arrival to its answer, in seconds.
const ANSWER_SECONDS: &str = "ingest_answer_seconds";

/// Counters of the scan routes and of the producer.
#[derive(Debug)]
pub struct Metrics {
    /// Scans that were let in.
    admit: Counter,
    /// Scans that were refused.
    refuse: Counter,
    /// Scans without a verdict.
    recorded: Counter,
    /// Scans that were not taken.
    pub rejected: Counter,
    /// Requests to `/v1/scans`.
    pub scan_requests: Counter,
    /// Requests to `/v1/scans:batch`.
    pub batch_requests: Counter,
    /// Requests to `/v1/codes/{code}`.
    pub code_requests: Counter,
    /// Time to the answer, in seconds.
    pub answer_seconds: Histogram,
}

impl Metrics {
    /// Handles on the metrics of the installed recorder.
    pub fn new() -> Self {
        describe_counter!(SCANS_TOTAL, "Scans by outcome: the verdict that was shown, or rejected");
        describe_counter!(FEED_LINES_TOTAL, "Accepted lines of the feeds, by feed");
        describe_counter!(REQUESTS_TOTAL, "Requests by route");
        describe_counter!(PROBLEMS_TOTAL, "Problems answered, by kind");
        describe_counter!(UNDELIVERED_TOTAL, "Messages that Kafka did not acknowledge in time, or refused");
        describe_counter!(
            SKIPPED_TOTAL,
            "Messages on the table topics that could not be used and were skipped, by table"
        );
        describe_gauge!(TABLE_ROWS, "Rows of the tables in memory, by table");
        describe_histogram!(ANSWER_SECONDS, "Time from a scan request's arrival to its answer, in seconds");
        Self {
            admit: counter!(SCANS_TOTAL, "outcome" => "admit"),
            refuse: counter!(SCANS_TOTAL, "outcome" => "refuse"),
            recorded: counter!(SCANS_TOTAL, "outcome" => "recorded"),
            rejected: counter!(SCANS_TOTAL, "outcome" => "rejected"),
            scan_requests: counter!(REQUESTS_TOTAL, "route" => "/v1/scans"),
            batch_requests: counter!(REQUESTS_TOTAL, "route" => "/v1/scans:batch"),
            code_requests: counter!(REQUESTS_TOTAL, "route" => "/v1/codes/{code}"),
            answer_seconds: histogram!(ANSWER_SECONDS),
        }
    }

    /// The counter of scans with this verdict.
    pub const fn scans(&self, verdict: Verdict) -> &Counter {
        match verdict {
            Verdict::Admit => &self.admit,
            Verdict::Refuse => &self.refuse,
            Verdict::Recorded => &self.recorded,
        }
    }
}

/// Counts a problem; problems are rare enough to be counted by name.
pub fn count_problem(kind: &'static str) {
    counter!(PROBLEMS_TOTAL, "kind" => kind).increment(1);
}

/// Counts a feed's request and its accepted lines.
pub fn count_feed(route: &'static str, feed: &'static str, accepted: usize) {
    counter!(REQUESTS_TOTAL, "route" => route).increment(1);
    counter!(FEED_LINES_TOTAL, "feed" => feed).increment(accepted as u64);
}

/// The counter of messages that Kafka did not take.
pub fn undelivered() -> Counter {
    counter!(UNDELIVERED_TOTAL)
}

/// The counter of messages that a table skipped.
pub fn skipped(table: &'static str) -> Counter {
    counter!(SKIPPED_TOTAL, "table" => table)
}

/// The gauge of a table's rows.
pub fn table_rows(table: &'static str) -> Gauge {
    gauge!(TABLE_ROWS, "table" => table)
}
