-- Purpose: bulk changes of health codes as they are now, the last made first.
-- Parameters: since_ms (inclusive, milliseconds since 1970); state, empty when it makes no difference, `open` for those that
--   can still be released at now_ms; now_ms; limit.
-- Sorting key: health_proposals (proposal_id, revision), of which it makes no use: there are few bulk changes.
SELECT *
FROM
(
    SELECT proposal_id, action, at_ms, command_id, sender, refused, state, digest, changes, yellow, red, made_at_ms, made_by,
           expires_at_ms, released_at_ms, released_by
    FROM health_proposals
    WHERE made_at_ms >= {since_ms:Int64}
    ORDER BY proposal_id, revision DESC
    LIMIT 1 BY proposal_id
)
WHERE {state:String} IN ('', state) OR ({state:String} = 'open' AND state = 'proposed' AND expires_at_ms > {now_ms:Int64})
ORDER BY made_at_ms DESC, proposal_id
LIMIT {limit:UInt64}
