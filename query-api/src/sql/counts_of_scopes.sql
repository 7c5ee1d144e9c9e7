-- Purpose: the counts of the city, of each district and of each category by hour, or by minute, when toStartOfMinute takes
-- the place of toStartOfHour: from them one knows which hours have changed. The inner SELECT asks for exactly what a
-- projection has; that is what makes ClickHouse read it.
-- Parameters: since (inclusive), a whole hour, seconds since 1970.
-- Sorting key: of the projection: places_by_hour (district, category, hour) or places_by_minute.
SELECT toUInt8(grouping(district, category)) AS left_out, district, toString(category) AS category,
       toUInt32(toUnixTimestamp(time)) AS start, sum(counted) AS scans,
       sum(of_green) AS green, sum(of_yellow) AS yellow, sum(of_red) AS red,
       sum(by_sentinel_health_code) AS sentinel_health_code, sum(by_sentinel_id_card) AS sentinel_id_card,
       sum(by_reverse_scan) AS reverse_scan, sum(by_hand) AS manual,
       sum(of_refused) AS refused, sum(of_exits) AS exits
FROM
(
    SELECT district, category, toStartOfHour(scanned_at) AS time, count() AS counted,
           countIf(colour = 'green') AS of_green, countIf(colour = 'yellow') AS of_yellow, countIf(colour = 'red') AS of_red,
           countIf(method = 'sentinel_health_code') AS by_sentinel_health_code,
           countIf(method = 'sentinel_id_card') AS by_sentinel_id_card,
           countIf(method = 'reverse_scan') AS by_reverse_scan, countIf(method = 'manual') AS by_hand,
           countIf(verdict = 'refuse') AS of_refused, countIf(direction = 'exit') AS of_exits
    FROM scans_by_venue
    WHERE toStartOfHour(scanned_at) >= toDateTime({since:UInt32}, 'UTC')
    GROUP BY district, category, time
)
GROUP BY GROUPING SETS ((time), (district, time), (category, time))
SETTINGS force_grouping_standard_compatibility = 1
