-- Purpose: footfall counted from the scans: scans, distinct people and colours in each step of time that has any.
-- Parameters: since (inclusive) and until (exclusive), seconds since 1970; step, in seconds; offset of the city's clock
-- from UTC, in seconds, since its hours and days are meant; that of the scope, whose condition takes the place of TRUE.
-- Sorting key: of a venue both columns of scans_by_venue (venue_id, scanned_at); else its partitions by time.
SELECT toInt64(toUnixTimestamp(scanned_at))
           - positiveModulo(toInt64(toUnixTimestamp(scanned_at)) + {offset:Int64}, {step:Int64}) AS start,
       count() AS scans, uniqExact(person_id) AS persons,
       countIf(colour = 'green') AS green, countIf(colour = 'yellow') AS yellow,
       countIf(colour = 'red') AS red, countIf(colour = 'unknown') AS unknown
FROM scans_by_venue
WHERE TRUE
  AND scanned_at >= toDateTime({since:UInt32}, 'UTC')
  AND scanned_at < toDateTime({until:UInt32}, 'UTC')
GROUP BY start
ORDER BY start
