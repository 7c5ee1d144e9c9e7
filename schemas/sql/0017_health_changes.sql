-- Purpose: every change of a person's colour with where it comes from. The row says all that the change says, and nothing
-- of the message that told of it: sent, released or read again it is the same row, and there once.
-- No `expires_at` is 0, no account and no release are empty.
-- Sorting key: (person_id, since, colour, …); the changes of one person are one range, in the order in which they count.
CREATE TABLE IF NOT EXISTS health_changes
(
    person_id   UInt64,
    since       Int64,
    colour      Enum8('unknown' = 0, 'green' = 1, 'yellow' = 2, 'red' = 3),
    expires_at  Int64,
    issuer      String,
    evidence    String,
    reason      String,
    sent_by     String,
    released_by String,
    proposal_id UUID
)
ENGINE = ReplacingMergeTree
PRIMARY KEY (person_id, since)
ORDER BY (person_id, since, colour, expires_at, issuer, evidence, reason, sent_by, released_by, proposal_id)
SETTINGS index_granularity = 1024
