-- Purpose: the counts of a day so far, by venue, for the live streams of venues and organisations.
-- Parameters: venues; since (inclusive), seconds since 1970.
-- Sorting key: scans_by_venue (venue_id, scanned_at), both columns.
SELECT venue_id, count() AS scans,
       countIf(colour = 'green') AS green, countIf(colour = 'yellow') AS yellow, countIf(colour = 'red') AS red,
       countIf(method = 'sentinel_health_code') AS sentinel_health_code,
       countIf(method = 'sentinel_id_card') AS sentinel_id_card,
       countIf(method = 'reverse_scan') AS reverse_scan, countIf(method = 'manual') AS manual,
       countIf(verdict = 'refuse') AS refused, countIf(direction = 'exit') AS exits
FROM scans_by_venue
WHERE venue_id IN {venues:Array(UInt32)}
  AND scanned_at >= toDateTime({since:UInt32}, 'UTC')
GROUP BY venue_id
-- No projection can answer it; looking for one in each part would take a third of the CPU.
SETTINGS optimize_use_projections = 0
