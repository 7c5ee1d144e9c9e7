-- Purpose: footfall without people, from the counts by minute that scans_by_venue keeps as projections, or by hour, when
-- toStartOfHour takes the place of toStartOfMinute. The inner SELECT asks for exactly what a projection has; that is
-- what makes ClickHouse read it.
-- Parameters: as in footfall.sql; since, until, step and offset in whole minutes or hours. The scope is no venue.
-- Sorting key: of the projection: city_by_minute (minute), places_by_hour (district, category, hour) or places_by_minute.
SELECT toInt64(toUnixTimestamp(time)) - positiveModulo(toInt64(toUnixTimestamp(time)) + {offset:Int64}, {step:Int64}) AS start,
       sum(counted) AS scans, toUInt64(0) AS persons,
       sum(of_green) AS green, sum(of_yellow) AS yellow, sum(of_red) AS red,
       sum(by_sentinel_health_code) AS sentinel_health_code, sum(by_sentinel_id_card) AS sentinel_id_card,
       sum(by_reverse_scan) AS reverse_scan, sum(by_hand) AS manual,
       sum(of_refused) AS refused, sum(of_exits) AS exits
FROM
(
    SELECT toStartOfMinute(scanned_at) AS time, count() AS counted,
           countIf(colour = 'green') AS of_green, countIf(colour = 'yellow') AS of_yellow, countIf(colour = 'red') AS of_red,
           countIf(method = 'sentinel_health_code') AS by_sentinel_health_code,
           countIf(method = 'sentinel_id_card') AS by_sentinel_id_card,
           countIf(method = 'reverse_scan') AS by_reverse_scan, countIf(method = 'manual') AS by_hand,
           countIf(verdict = 'refuse') AS of_refused, countIf(direction = 'exit') AS of_exits
    FROM scans_by_venue
    WHERE TRUE
      AND toStartOfMinute(scanned_at) >= toDateTime({since:UInt32}, 'UTC')
      AND toStartOfMinute(scanned_at) < toDateTime({until:UInt32}, 'UTC')
    GROUP BY time
)
GROUP BY start
ORDER BY start
