-- Purpose: the venues with most scans on some days, from the counts by day that scans_by_venue keeps as a projection, in
-- the order of their counts as whole multiples of the smallest group, and of their numbers.
-- Parameters: first and last day (inclusive), as days since 1970 by a clock eight hours ahead of UTC; smallest, the least
-- scans of a venue; limit and skipped; that of the scope, whose condition takes the place of TRUE.
-- Sorting key: (day, district, category, venue_id) of the projection venues_by_day.
SELECT venue_id, sum(counted) AS scans
FROM
(
    SELECT intDiv(toUnixTimestamp(scanned_at) + 28800, 86400) AS day, venue_id, count() AS counted
    FROM scans_by_venue
    WHERE TRUE
      AND intDiv(toUnixTimestamp(scanned_at) + 28800, 86400) >= {first:UInt32}
      AND intDiv(toUnixTimestamp(scanned_at) + 28800, 86400) <= {last:UInt32}
    GROUP BY day, venue_id
)
GROUP BY venue_id
HAVING scans >= {smallest:UInt64}
ORDER BY intDiv(scans, {smallest:UInt64}) DESC, venue_id
LIMIT {skipped:UInt64}, {limit:UInt64}
