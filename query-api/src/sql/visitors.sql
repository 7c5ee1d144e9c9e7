-- Purpose: who was at a venue, oldest first.
-- Parameters: venue; since (inclusive) and until (exclusive), seconds since 1970; limit.
-- Sorting key: scans_by_venue (venue_id, scanned_at), both columns, read in order up to the limit.
SELECT person_id, scanned_at, method, direction, verdict, colour
FROM scans_by_venue
WHERE venue_id = {venue:UInt32}
  AND scanned_at >= toDateTime({since:UInt32}, 'UTC')
  AND scanned_at < toDateTime({until:UInt32}, 'UTC')
ORDER BY scanned_at, person_id, stream, kafka_offset
LIMIT {limit:UInt64}
