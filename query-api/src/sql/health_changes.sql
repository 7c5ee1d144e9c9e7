-- Purpose: the changes of a person's colour with where they come from, the one that counts first.
-- Parameters: person; limit.
-- Sorting key: health_changes (person_id, since), first column.
SELECT since, colour, expires_at, issuer, evidence, reason, sent_by, released_by, proposal_id
FROM health_changes FINAL
WHERE person_id = {person:UInt64}
ORDER BY since DESC, colour DESC, expires_at = 0 DESC, expires_at DESC, issuer, evidence, reason, sent_by, released_by, proposal_id
LIMIT {limit:UInt64}
