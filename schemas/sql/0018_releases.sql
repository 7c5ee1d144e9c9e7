-- Purpose: every state that a release has been in (who may read whose movements, and why), one row per record; the last
-- one holds.
-- The row of a record is always the same, so that writing it again changes nothing. Without a TTL: what the audit log names
-- is kept as long as it is.
-- Sorting key: (release_id, revision); a release is asked for by its identity, which begins with its district.
CREATE TABLE IF NOT EXISTS releases
(
    release_id      UUID,
    revision        UInt64,
    district        UInt32,
    action          LowCardinality(String),
    at_ms           Int64,
    command_id      Nullable(UUID),
    sender          String,
    refused         LowCardinality(String),
    state           LowCardinality(String),
    asked_at_ms     Int64,
    asked_by        String,
    case_number     String,
    case_kind       LowCardinality(String),
    evidence        String,
    purpose         LowCardinality(String),
    persons         Array(UInt64),
    venues          Array(UInt32),
    from_s          Int64,
    to_s            Int64,
    hops            UInt8,
    window_minutes  UInt16,
    expires_at_ms   Int64,
    decided_at_ms   Nullable(Int64),
    decided_by      String,
    declined_for    LowCardinality(String),
    withdrawn_at_ms Nullable(Int64),
    withdrawn_by    String
)
ENGINE = ReplacingMergeTree
PARTITION BY toMonday(fromUnixTimestamp64Milli(asked_at_ms, 'UTC'))
ORDER BY (release_id, revision)
SETTINGS index_granularity = 1024
