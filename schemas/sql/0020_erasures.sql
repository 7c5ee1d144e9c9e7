-- Purpose: every state that the erasure of a person has been in, one row per record; the last one holds. Who it was is
-- here as a digest alone; what was removed from where, and where bytes may still be until when, are pairs of arrays.
-- The row of a record is always the same, so that writing it again changes nothing. Without a TTL: that and why something
-- was erased is kept as long as nothing of it may come back.
-- An end of 0 in remains_until_ms is none that is known.
-- Sorting key: (erasure_id, revision); an erasure is asked for by its identity, which begins with its district.
CREATE TABLE IF NOT EXISTS erasures
(
    erasure_id       UUID,
    revision         UInt64,
    district         UInt32,
    action           LowCardinality(String),
    at_ms            Int64,
    command_id       Nullable(UUID),
    sender           String,
    refused          LowCardinality(String),
    state            LowCardinality(String),
    digest           String,
    basis            LowCardinality(String),
    evidence         String,
    asked_at_ms      Int64,
    asked_by         String,
    expires_at_ms    Int64,
    confirmed_at_ms  Nullable(Int64),
    confirmed_by     String,
    declined_at_ms   Nullable(Int64),
    declined_by      String,
    declined_for     LowCardinality(String),
    erased_before_ms Nullable(Int64),
    done_at_ms       Nullable(Int64),
    removed_tables   Array(String),
    removed_rows     Array(UInt64),
    remains_topics   Array(String),
    remains_until_ms Array(Int64)
)
ENGINE = ReplacingMergeTree
ORDER BY (erasure_id, revision)
SETTINGS index_granularity = 1024
