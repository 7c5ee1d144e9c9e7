-- Purpose: how near to whom a release names somebody was found, in what was read by it.
-- Parameters: release; asked_at_ms, when it was asked for: what was read before was read by another one, whose records are
--   gone and which had the same identity; person.
-- Sorting key: audit_log (chain, sequence): none of it, but its filters by_release and by_reached.
SELECT count() AS found, min(reached_depths[indexOf(reached, {person:UInt64})]) AS nearest
FROM audit_log
WHERE release_id = {release:UUID} AND at_ms >= {asked_at_ms:Int64} AND has(reached, {person:UInt64})
  -- Beyond the end of an array stands 0, as near as whom the release names.
  AND length(reached_depths) = length(reached)
