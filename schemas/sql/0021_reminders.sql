-- Purpose: every state that a reminder has been in (who is to mend what about venue codes by when, and what came of it),
-- one row per record; the last one holds.
-- The row of a record is always the same, so that writing it again changes nothing. Without a TTL: how often somebody was
-- reminded decides what follows (S4).
-- Sorting key: (district, reminder_id, revision); an organisation's reminders go through the index. venue_id is 0 where it
-- is about the organisation as a whole.
CREATE TABLE IF NOT EXISTS reminders
(
    reminder_id     UUID,
    revision        UInt64,
    district        UInt32,
    organisation    String,
    venue_id        UInt32,
    matter          LowCardinality(String),
    due_at          Int64,
    note            String,
    times           UInt32,
    open_instead    Nullable(UUID),
    sent_at_ms      Int64,
    sent_by         String,
    action          LowCardinality(String),
    at_ms           Int64,
    command_id      Nullable(UUID),
    sender          String,
    refused         LowCardinality(String),
    said            LowCardinality(String),
    said_note       String,
    state           LowCardinality(String),
    escalated_at_ms Nullable(Int64),
    answered_at_ms  Nullable(Int64),
    answered_by     String,
    reply           LowCardinality(String),
    reply_note      String,
    settled_at_ms   Nullable(Int64),
    settled_by      String,
    outcome         LowCardinality(String),
    outcome_note    String,
    INDEX of_organisation organisation TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
ORDER BY (district, reminder_id, revision)
SETTINGS index_granularity = 1024
