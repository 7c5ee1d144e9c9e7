//! Names of this service's metrics; each doc line is the help text.

/// Scans stored in ClickHouse.
pub const STORED: &str = "processor_scans_stored_total";
/// Messages that repeated an earlier scan and were not stored again.
pub const REPEATED: &str = "processor_scans_repeated_total";
/// Messages sent to dead-letters.
pub const DEAD_LETTERS: &str = "processor_dead_letters_total";
/// Rows found missing after an unclear insert and stored again, per table.
pub const REPAIRED: &str = "processor_rows_repaired_total";
/// Inserts that failed or whose outcome was unclear, and were tried again.
pub const RETRIES: &str = "processor_insert_retries_total";
/// Seconds that storing one batch took.
pub const STORE_SECONDS: &str = "processor_store_seconds";
/// Seconds from the gateway's acceptance of the oldest scan of a batch until the batch was stored.
pub const FRESHNESS_SECONDS: &str = "processor_freshness_seconds";
/// Messages of `scans` not stored yet, per partition.
pub const LAG: &str = "processor_lag_messages";
/// Partitions of `scans` held by this instance.
pub const PARTITIONS: &str = "processor_partitions";

/// Describes every metric to the recorder.
pub fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_counter!(STORED, "Scans stored in ClickHouse");
    describe_counter!(REPEATED, "Messages that repeated an earlier scan and were not stored again");
    describe_counter!(DEAD_LETTERS, "Messages sent to dead-letters");
    describe_counter!(REPAIRED, "Rows found missing after an unclear insert and stored again, per table");
    describe_counter!(RETRIES, "Inserts that failed or whose outcome was unclear, and were tried again");
    describe_histogram!(STORE_SECONDS, Unit::Seconds, "Seconds that storing one batch took");
    describe_histogram!(
        FRESHNESS_SECONDS,
        Unit::Seconds,
        "Seconds from acceptance of the oldest scan of a batch until stored"
    );
    describe_gauge!(LAG, "Messages of scans not stored yet, per partition");
    describe_gauge!(PARTITIONS, "Partitions of scans held by this instance");
}
