-- Purpose: the erasures of a district or of several since a time, as they are now, newest first.
-- Parameters: district_from and district_to (inclusive); since_ms (inclusive, milliseconds since 1970); state, empty when it
--   makes no difference; limit.
-- Sorting key: erasures (erasure_id, revision): none of it; there are few.
SELECT *
FROM
(
    SELECT erasure_id, district, action, at_ms, command_id, sender, refused, state, digest, basis, evidence, asked_at_ms,
           asked_by, expires_at_ms, confirmed_at_ms, confirmed_by, declined_at_ms, declined_by, declined_for,
           erased_before_ms, done_at_ms, removed_tables, removed_rows, remains_topics, remains_until_ms
    FROM erasures
    WHERE district BETWEEN {district_from:UInt32} AND {district_to:UInt32}
      AND asked_at_ms >= {since_ms:Int64}
    ORDER BY erasure_id, revision DESC
    LIMIT 1 BY erasure_id
)
WHERE {state:String} IN ('', state)
ORDER BY asked_at_ms DESC, erasure_id
LIMIT {limit:UInt64}
