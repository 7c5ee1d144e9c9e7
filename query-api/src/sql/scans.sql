-- Purpose: the scans at a venue or at those of an organisation, newest first.
-- Parameters: since (inclusive) and until (exclusive), seconds since 1970; limit; that of the scope, whose condition takes
-- the place of TRUE.
-- Sorting key: scans_by_venue (venue_id, scanned_at), both columns.
SELECT venue_id, person_id, scanned_at, method, direction, verdict, reasons, colour
FROM scans_by_venue
WHERE TRUE
  AND scanned_at >= toDateTime({since:UInt32}, 'UTC')
  AND scanned_at < toDateTime({until:UInt32}, 'UTC')
ORDER BY scanned_at DESC, venue_id, stream, kafka_offset
LIMIT {limit:UInt64}
