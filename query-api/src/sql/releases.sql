-- Purpose: the releases of a district or of several since a time, as they are now, newest first.
-- Parameters: district_from and district_to (inclusive); since_ms (inclusive, milliseconds since 1970); state and asked_by,
--   each empty when it makes no difference; limit.
-- Sorting key: releases (release_id, revision): none of it, but its partitions by time; there are few.
SELECT *
FROM
(
    SELECT release_id, district, action, at_ms, command_id, sender, refused, state, asked_at_ms, asked_by, case_number,
           case_kind, evidence, purpose, persons, venues, from_s, to_s, hops, window_minutes, expires_at_ms, decided_at_ms, decided_by,
           declined_for, withdrawn_at_ms, withdrawn_by
    FROM releases
    WHERE district BETWEEN {district_from:UInt32} AND {district_to:UInt32}
      AND asked_at_ms >= {since_ms:Int64}
    ORDER BY release_id, revision DESC
    LIMIT 1 BY release_id
)
WHERE {state:String} IN ('', state) AND {asked_by:String} IN ('', asked_by)
ORDER BY asked_at_ms DESC, release_id
LIMIT {limit:UInt64}
