-- Purpose: the states that an erasure has been in, newest first; the first one holds.
-- Parameters: erasure; limit.
-- Sorting key: erasures (erasure_id, revision), first column.
SELECT erasure_id, district, action, at_ms, command_id, sender, refused, state, digest, basis, evidence, asked_at_ms, asked_by,
       expires_at_ms, confirmed_at_ms, confirmed_by, declined_at_ms, declined_by, declined_for, erased_before_ms, done_at_ms,
       removed_tables, removed_rows, remains_topics, remains_until_ms
FROM erasures
WHERE erasure_id = {erasure:UUID}
ORDER BY revision DESC
LIMIT 1 BY revision
LIMIT {limit:UInt64}
