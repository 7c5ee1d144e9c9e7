-- Purpose: every state that an alert about an abnormal scan has been in, one row per record; the last one holds.
-- The row of a record is always the same, so that writing it again changes nothing.
-- Sorting key: (district, alert_id, revision); a district's alerts since a time are one range in a few partitions.
CREATE TABLE IF NOT EXISTS alerts
(
    alert_id           UUID,
    revision           UInt64,
    district           UInt32,
    kind               LowCardinality(String),
    source_id          UUID,
    venue_id           UInt32,
    person_id          UInt64,
    scanned_at         DateTime('UTC'),
    method             LowCardinality(String),
    verdict            LowCardinality(String),
    colour             LowCardinality(String),
    reasons            Array(String),
    raised_at_ms       Int64,
    action             LowCardinality(String),
    at_ms              Int64,
    command_id         Nullable(UUID),
    sender             String,
    refused            LowCardinality(String),
    state              LowCardinality(String),
    escalated_at_ms    Nullable(Int64),
    acknowledged_at_ms Nullable(Int64),
    acknowledged_by    String,
    disposed_at_ms     Nullable(Int64),
    disposed_by        String,
    disposition        LowCardinality(String)
)
ENGINE = ReplacingMergeTree
PARTITION BY toMonday(fromUnixTimestamp64Milli(raised_at_ms, 'UTC'))
ORDER BY (district, alert_id, revision)
SETTINGS index_granularity = 1024
