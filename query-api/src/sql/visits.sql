-- Purpose: where a person was, oldest first, with the scans of some seconds before, which the first ones may repeat or be
-- implausible after.
-- Parameters: person; lead (inclusive), since (inclusive) and until (exclusive), seconds since 1970; limit, of the scans from
--   since on: each scan before is a group of its own, and all from then on are one.
-- Sorting key: scans_by_person (person_id, scanned_at), both columns.
SELECT venue_id, scanned_at, method, direction, verdict, colour, toString(category) AS category,
       far_from_venue
FROM scans_by_person
WHERE person_id = {person:UInt64}
  AND scanned_at >= toDateTime({lead:UInt32}, 'UTC')
  AND scanned_at < toDateTime({until:UInt32}, 'UTC')
ORDER BY scanned_at, venue_id, stream, kafka_offset
LIMIT {limit:UInt64} BY if(scanned_at < toDateTime({since:UInt32}, 'UTC'), (stream, kafka_offset + 1), (0, 0))
-- A person has a granule or two in each part: reading them in order, in two passes or by several threads costs more than
-- the rows.
SETTINGS optimize_read_in_order = 0, optimize_move_to_prewhere = 0, max_threads = 1
