-- Purpose: where many people were: the stays of contacts, and the sources of a further hop.
-- Parameters: people; since (inclusive) and until (exclusive), seconds since 1970; limit.
-- Sorting key: scans_by_person (person_id, scanned_at), both columns.
SELECT person_id, venue_id, scanned_at, method, direction, colour, toString(category) AS category
FROM scans_by_person
WHERE person_id IN {people:Array(UInt64)}
  AND scanned_at >= toDateTime({since:UInt32}, 'UTC')
  AND scanned_at < toDateTime({until:UInt32}, 'UTC')
LIMIT {limit:UInt64}
-- As for one person: a granule or two in each part, not worth two passes.
SETTINGS optimize_move_to_prewhere = 0
