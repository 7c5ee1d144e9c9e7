-- Purpose: how complete the scans of some venues look: on how many of the city's days there were any, and how many were exits.
-- Parameters: venues; since (inclusive) and until (exclusive), seconds since 1970; offset of the city's clock in seconds.
-- Sorting key: scans_by_venue (venue_id, scanned_at), both columns.
SELECT venue_id,
       uniqExact(intDiv(toInt64(toUnixTimestamp(scanned_at)) + {offset:Int32}, 86400)) AS days,
       countIf(direction = 'entry') AS entries,
       countIf(direction = 'exit') AS exits
FROM scans_by_venue
WHERE venue_id IN {venues:Array(UInt32)}
  AND scanned_at >= toDateTime({since:UInt32}, 'UTC')
  AND scanned_at < toDateTime({until:UInt32}, 'UTC')
GROUP BY venue_id
