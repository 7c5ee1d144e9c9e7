-- Purpose: every state that a release has been in, oldest first; the last one holds.
-- Parameters: release.
-- Sorting key: releases (release_id, revision), first column.
SELECT release_id, district, action, at_ms, command_id, sender, refused, state, asked_at_ms, asked_by, case_number, case_kind,
       evidence, purpose, persons, venues, from_s, to_s, hops, expires_at_ms, decided_at_ms, decided_by, declined_for,
       withdrawn_at_ms, withdrawn_by
FROM releases FINAL
WHERE release_id = {release:UUID}
ORDER BY revision
