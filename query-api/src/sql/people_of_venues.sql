-- Purpose: how many distinct people were at each of some venues in a time.
-- Parameters: venues; since (inclusive) and until (exclusive), seconds since 1970.
-- Sorting key: scans_by_venue (venue_id, scanned_at), both columns.
SELECT venue_id, uniqExact(person_id) AS persons
FROM scans_by_venue
WHERE venue_id IN {venues:Array(UInt32)}
  AND scanned_at >= toDateTime({since:UInt32}, 'UTC')
  AND scanned_at < toDateTime({until:UInt32}, 'UTC')
GROUP BY venue_id
-- No projection can answer it; looking for one in each part would take a third of the CPU.
SETTINGS optimize_use_projections = 0
