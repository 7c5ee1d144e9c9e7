-- Purpose: footfall counted from the scans: scans, distinct people, colours, methods, refusals and exits in each step of
-- time that has any. Where people are not asked for, a nought takes the place of their count.
-- Parameters: since (inclusive) and until (exclusive), seconds since 1970; step, in seconds; offset of the city's clock
-- from UTC, in seconds, since its hours and days are meant; that of the scope, whose condition takes the place of TRUE.
-- Sorting key: of venues both columns of scans_by_venue (venue_id, scanned_at); else its partitions by time.
SELECT toInt64(toUnixTimestamp(scanned_at))
           - positiveModulo(toInt64(toUnixTimestamp(scanned_at)) + {offset:Int64}, {step:Int64}) AS start,
       count() AS scans, uniqExact(person_id) AS persons,
       countIf(colour = 'green') AS green, countIf(colour = 'yellow') AS yellow, countIf(colour = 'red') AS red,
       countIf(method = 'sentinel_health_code') AS sentinel_health_code,
       countIf(method = 'sentinel_id_card') AS sentinel_id_card,
       countIf(method = 'reverse_scan') AS reverse_scan, countIf(method = 'manual') AS manual,
       countIf(verdict = 'refuse') AS refused, countIf(direction = 'exit') AS exits
FROM scans_by_venue
WHERE TRUE
  AND scanned_at >= toDateTime({since:UInt32}, 'UTC')
  AND scanned_at < toDateTime({until:UInt32}, 'UTC')
GROUP BY start
ORDER BY start
-- No projection can answer it; looking for one in each part would take a third of the CPU.
SETTINGS optimize_use_projections = 0
