-- Purpose: footfall without people, from the counts by hour that scans_by_venue keeps as a projection.
-- The inner SELECT asks for exactly what the projection has; that is what makes ClickHouse read it.
-- Parameters: as in footfall.sql; since, until, step and offset in whole hours. The scope is no venue.
-- Sorting key: (hour, district, category, colour) of the projection footfall_by_hour.
SELECT toInt64(toUnixTimestamp(hour))
           - positiveModulo(toInt64(toUnixTimestamp(hour)) + {offset:Int64}, {step:Int64}) AS start,
       sum(counted) AS scans, toUInt64(0) AS persons,
       sumIf(counted, colour = 'green') AS green, sumIf(counted, colour = 'yellow') AS yellow,
       sumIf(counted, colour = 'red') AS red, sumIf(counted, colour = 'unknown') AS unknown
FROM
(
    SELECT toStartOfHour(scanned_at) AS hour, colour, count() AS counted
    FROM scans_by_venue
    WHERE TRUE
      AND toStartOfHour(scanned_at) >= toDateTime({since:UInt32}, 'UTC')
      AND toStartOfHour(scanned_at) < toDateTime({until:UInt32}, 'UTC')
    GROUP BY hour, colour
)
GROUP BY start
ORDER BY start
