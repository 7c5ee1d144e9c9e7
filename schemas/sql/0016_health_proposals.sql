-- Purpose: every state that a bulk change of health codes has been in, one row per record; the last one holds. Whom it
-- is about is not here.
-- The row of a record is always the same, so that writing it again changes nothing.
-- Sorting key: (proposal_id, revision); a bulk change is asked for by its identity.
CREATE TABLE IF NOT EXISTS health_proposals
(
    proposal_id    UUID,
    revision       UInt64,
    action         LowCardinality(String),
    at_ms          Int64,
    command_id     Nullable(UUID),
    sender         String,
    refused        LowCardinality(String),
    state          LowCardinality(String),
    digest         String,
    changes        UInt32,
    yellow         UInt32,
    red            UInt32,
    made_at_ms     Int64,
    made_by        String,
    expires_at_ms  Int64,
    released_at_ms Nullable(Int64),
    released_by    String
)
ENGINE = ReplacingMergeTree
ORDER BY (proposal_id, revision)
SETTINGS index_granularity = 1024
