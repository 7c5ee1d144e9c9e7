-- Purpose: footfall of a district: scans, distinct people and colours in each step of time that has any.
-- Parameters: district, its six-digit code; since (inclusive) and until (exclusive), seconds since 1970; step, in seconds; offset of
-- the city's clock from UTC, in seconds, since its hours and days are meant.
-- Sorting key: none; scans_by_venue's partitions by time.
SELECT toInt64(toUnixTimestamp(scanned_at))
           - positiveModulo(toInt64(toUnixTimestamp(scanned_at)) + {offset:Int64}, {step:Int64}) AS start,
       count() AS scans, uniqExact(person_id) AS persons,
       countIf(colour = 'green') AS green, countIf(colour = 'yellow') AS yellow,
       countIf(colour = 'red') AS red, countIf(colour = 'unknown') AS unknown
FROM scans_by_venue
WHERE district = {district:UInt32}
  AND scanned_at >= toDateTime({since:UInt32}, 'UTC')
  AND scanned_at < toDateTime({until:UInt32}, 'UTC')
GROUP BY start
ORDER BY start
