-- Purpose: venues in use that nobody has scanned at since a day, by district and number, with their last scan before.
-- Parameters: district_from and district_to (inclusive); first, the first day without scans, as days since 1970 by a clock
-- eight hours ahead of UTC; limit.
-- Sorting key: (day, district, category, venue_id) of the projection venues_by_day; of the last scans scans_by_venue
-- (venue_id), first column.
WITH unused AS
(
    SELECT venue_id, name, category, district
    FROM venues FINAL
    WHERE active AND district BETWEEN {district_from:UInt32} AND {district_to:UInt32}
      AND venue_id NOT IN
      (
          SELECT venue_id
          FROM scans_by_venue
          WHERE intDiv(toUnixTimestamp(scanned_at) + 28800, 86400) >= {first:UInt32}
          GROUP BY venue_id
      )
    ORDER BY district, venue_id
    LIMIT {limit:UInt64}
)
SELECT venue_id, name, category, district, last_scan
FROM unused
LEFT JOIN
(
    SELECT venue_id, toUInt32(toUnixTimestamp(max(scanned_at))) AS last_scan
    FROM scans_by_venue
    WHERE venue_id IN (SELECT venue_id FROM unused)
    GROUP BY venue_id
) AS earlier USING (venue_id)
ORDER BY district, venue_id
