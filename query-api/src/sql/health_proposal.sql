-- Purpose: every state that a bulk change of health codes has been in, oldest first; the last one holds.
-- Parameters: proposal.
-- Sorting key: health_proposals (proposal_id, revision), first column.
SELECT proposal_id, action, at_ms, command_id, sender, refused, state, digest, changes, yellow, red, made_at_ms, made_by,
       expires_at_ms, released_at_ms, released_by
FROM health_proposals FINAL
WHERE proposal_id = {proposal:UUID}
ORDER BY revision
