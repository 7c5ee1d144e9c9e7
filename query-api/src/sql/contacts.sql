-- Purpose: the scans of others inside the windows of some people's venues.
-- Parameters: cases, who are left out; venues, opens and closes (inclusive, seconds since 1970), one entry per
-- window; first and last, the earliest opening and the latest closing; limit. In place of the marker come the ranges
-- of the key, if there are few: indexing an array parameter by a number is a constant to ClickHouse. They are a hint
-- that chooses granules; the join decides about the rows, which costs less than forty conditions for each.
-- The windows of a venue do not overlap, so the newest one that opened before a scan is the only one it can be in.
-- Sorting key: scans_by_venue (venue_id, scanned_at), and its partitions by time.
SELECT scan.person_id AS person_id, scan.venue_id AS venue_id, scan.scanned_at AS scanned_at,
       scan.method AS method, scan.direction AS direction, scan.colour AS colour
FROM scans_by_venue AS scan
ASOF JOIN
(
    SELECT entry.1 AS venue_id, toDateTime(entry.2, 'UTC') AS opens, toDateTime(entry.3, 'UTC') AS closes
    FROM
    (
        SELECT arrayJoin(arrayZip({venues:Array(UInt32)}, {opens:Array(UInt32)}, {closes:Array(UInt32)})) AS entry
    )
) AS near ON scan.venue_id = near.venue_id AND scan.scanned_at >= near.opens
WHERE scan.venue_id IN {venues:Array(UInt32)}
  AND scan.scanned_at BETWEEN toDateTime({first:UInt32}, 'UTC') AND toDateTime({last:UInt32}, 'UTC')
  AND scan.scanned_at <= near.closes
  AND scan.person_id NOT IN {cases:Array(UInt64)}
  /*RANGES*/
LIMIT {limit:UInt64}
-- The key leaves few granules of small columns: reading each in two passes costs more than it spares, and so do more
-- threads, which are better left to the names and to other traces.
SETTINGS optimize_move_to_prewhere = 0, max_threads = 1
