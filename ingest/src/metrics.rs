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
/// As of when the tables are known, in seconds since 1970: all that was on Kafka then is in them.
const TABLES_KNOWN_AT: &str = "ingest_tables_known_at_seconds";
/// Whether the tables were read from a snapshot, and from the topics only what came since: 1 or 0.
const SNAPSHOT_USED: &str = "ingest_snapshot_used";
/// Time from a scan request's arrival to its answer, in seconds.
const ANSWER_SECONDS: &str = "ingest_answer_seconds";
/// Whether scans go to the spool because Kafka is out of reach: 1 or 0.
const SPOOLING: &str = "ingest_spooling";
/// Scans that the spool took.
const SPOOLED_TOTAL: &str = "ingest_spooled_scans_total";
/// Scans that the spool did not take: it was full, or its disk failed.
const SPOOL_REFUSED_TOTAL: &str = "ingest_spool_refused_scans_total";
/// Scans from the spool that Kafka has acknowledged.
const SPOOL_DRAINED_TOTAL: &str = "ingest_spool_drained_scans_total";
/// Bytes in the spool.
const SPOOL_BYTES: &str = "ingest_spool_bytes";
/// Scans in the spool.
const SPOOL_RECORDS: &str = "ingest_spool_scans";
/// Age of the oldest scans in the spool, in seconds.
const SPOOL_OLDEST_SECONDS: &str = "ingest_spool_oldest_age_seconds";
/// Damaged segments of the spool that were set aside and are to be looked at.
const SPOOL_DAMAGED: &str = "ingest_spool_damaged_segments";
/// Time to write and fsync a group of scans, in seconds.
const SPOOL_FSYNC_SECONDS: &str = "ingest_spool_fsync_seconds";
/// Scans that may wait to be kept at the same time, as set by how long they take.
const PLACES: &str = "ingest_places";
/// Scans that wait to be kept.
const PLACES_TAKEN: &str = "ingest_places_taken";
/// Memory that bodies of requests may take up just now, in bytes.
const BODY_BYTES: &str = "ingest_body_bytes";
/// Open connections.
const CONNECTIONS: &str = "ingest_connections";

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

/// What the spool counts.
#[derive(Debug)]
pub struct SpoolMetrics {
    /// Scans taken.
    pub spooled: Counter,
    /// Scans not taken.
    pub refused: Counter,
    /// Scans that Kafka has.
    pub drained: Counter,
    /// Bytes held.
    pub bytes: Gauge,
    /// Scans held.
    pub records: Gauge,
    /// Age of the oldest.
    pub oldest_seconds: Gauge,
    /// Segments set aside.
    pub damaged: Gauge,
    /// Time to write and fsync.
    pub fsync_seconds: Histogram,
}

impl SpoolMetrics {
    /// Handles on the metrics of the installed recorder.
    pub fn new() -> Self {
        describe_gauge!(SPOOLING, "Whether scans go to the spool because Kafka is out of reach: 1 or 0");
        describe_counter!(SPOOLED_TOTAL, "Scans that the spool took");
        describe_counter!(SPOOL_REFUSED_TOTAL, "Scans that the spool did not take: it was full, or its disk failed");
        describe_counter!(SPOOL_DRAINED_TOTAL, "Scans from the spool that Kafka has acknowledged");
        describe_gauge!(SPOOL_BYTES, "Bytes in the spool");
        describe_gauge!(SPOOL_RECORDS, "Scans in the spool");
        describe_gauge!(SPOOL_OLDEST_SECONDS, "Age of the oldest scans in the spool, in seconds");
        describe_gauge!(SPOOL_DAMAGED, "Damaged segments of the spool that were set aside and are to be looked at");
        describe_histogram!(SPOOL_FSYNC_SECONDS, "Time to write and fsync a group of scans, in seconds");
        let damaged = gauge!(SPOOL_DAMAGED);
        damaged.set(0.0);
        Self {
            spooled: counter!(SPOOLED_TOTAL),
            refused: counter!(SPOOL_REFUSED_TOTAL),
            drained: counter!(SPOOL_DRAINED_TOTAL),
            bytes: gauge!(SPOOL_BYTES),
            records: gauge!(SPOOL_RECORDS),
            oldest_seconds: gauge!(SPOOL_OLDEST_SECONDS),
            damaged,
            fsync_seconds: histogram!(SPOOL_FSYNC_SECONDS),
        }
    }
}

/// What admission shows.
#[derive(Debug)]
pub struct AdmissionMetrics {
    /// Scans that may wait.
    pub limit: Gauge,
    /// Scans that do.
    pub waiting: Gauge,
    /// Memory kept for bodies.
    pub body_bytes: Gauge,
    /// Open connections.
    pub connections: Gauge,
}

impl AdmissionMetrics {
    /// Handles on the metrics of the installed recorder.
    pub fn new() -> Self {
        describe_gauge!(PLACES, "Scans that may wait to be kept at the same time, as set by how long they take");
        describe_gauge!(PLACES_TAKEN, "Scans that wait to be kept");
        describe_gauge!(BODY_BYTES, "Memory that bodies of requests may take up just now, in bytes");
        describe_gauge!(CONNECTIONS, "Open connections");
        Self {
            limit: gauge!(PLACES),
            waiting: gauge!(PLACES_TAKEN),
            body_bytes: gauge!(BODY_BYTES),
            connections: gauge!(CONNECTIONS),
        }
    }
}

/// Shows whether scans go to the spool.
pub fn spooling(is_so: bool) {
    gauge!(SPOOLING).set(f64::from(u8::from(is_so)));
}

/// The counter of messages that Kafka did not take.
pub fn undelivered() -> Counter {
    counter!(UNDELIVERED_TOTAL)
}

/// The counter of messages that a table skipped.
pub fn skipped(table: &'static str) -> Counter {
    counter!(SKIPPED_TOTAL, "table" => table)
}

/// Shows whether the tables were read from a snapshot.
pub fn snapshot_used(is_so: bool) {
    describe_gauge!(SNAPSHOT_USED, "Whether the tables were read from a snapshot: 1 or 0");
    gauge!(SNAPSHOT_USED).set(f64::from(u8::from(is_so)));
}

/// The gauge of when the tables are known as of.
pub fn tables_known_at() -> Gauge {
    describe_gauge!(TABLES_KNOWN_AT, "Seconds since 1970 at which all that was on Kafka is in the tables");
    gauge!(TABLES_KNOWN_AT)
}

/// The gauge of a table's rows.
pub fn table_rows(table: &'static str) -> Gauge {
    gauge!(TABLE_ROWS, "table" => table)
}
