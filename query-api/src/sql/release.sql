-- Purpose: the states that a release has been in, newest first; the first one holds.
-- Parameters: release; limit.
-- Sorting key: releases (release_id, revision), first column.
SELECT release_id, district, action, at_ms, command_id, sender, refused, state, asked_at_ms, asked_by, case_number, case_kind,
       evidence, purpose, persons, venues, from_s, to_s, hops, window_minutes, expires_at_ms, decided_at_ms, decided_by, declined_for,
       withdrawn_at_ms, withdrawn_by
FROM releases
WHERE release_id = {release:UUID}
ORDER BY revision DESC
LIMIT 1 BY revision
LIMIT {limit:UInt64}
