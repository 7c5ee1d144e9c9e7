-- Purpose: the counts of a day so far, by district and category, for the live streams of both and of the city.
-- Parameters: since (inclusive), a whole hour, seconds since 1970.
-- Sorting key: (district, category, hour) of the projection places_by_hour.
SELECT district, category, count() AS scans,
       countIf(colour = 'green') AS green, countIf(colour = 'yellow') AS yellow, countIf(colour = 'red') AS red,
       countIf(method = 'sentinel_health_code') AS sentinel_health_code,
       countIf(method = 'sentinel_id_card') AS sentinel_id_card,
       countIf(method = 'reverse_scan') AS reverse_scan, countIf(method = 'manual') AS manual,
       countIf(verdict = 'refuse') AS refused, countIf(direction = 'exit') AS exits
FROM scans_by_venue
WHERE toStartOfHour(scanned_at) >= toDateTime({since:UInt32}, 'UTC')
GROUP BY district, category
