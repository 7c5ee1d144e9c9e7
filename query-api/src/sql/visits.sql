-- Purpose: where a person was, oldest first, with the scans of some seconds before, which the first ones may repeat or be
-- implausible after.
-- Parameters: person; lead (inclusive), since (inclusive) and until (exclusive), seconds since 1970; limit, of the scans from
--   since on.
-- Sorting key: scans_by_person (person_id, scanned_at), both columns.
SELECT venue_id, scanned_at, method, direction, verdict, colour, toString(category) AS category,
       far_from_venue
FROM
(
    SELECT venue_id, scanned_at, method, direction, verdict, colour, category, far_from_venue, stream, kafka_offset
    FROM scans_by_person
    WHERE person_id = {person:UInt64}
      AND scanned_at >= toDateTime({lead:UInt32}, 'UTC')
      AND scanned_at < toDateTime({since:UInt32}, 'UTC')
    UNION ALL
    SELECT *
    FROM
    (
        SELECT venue_id, scanned_at, method, direction, verdict, colour, category, far_from_venue, stream, kafka_offset
        FROM scans_by_person
        WHERE person_id = {person:UInt64}
          AND scanned_at >= toDateTime({since:UInt32}, 'UTC')
          AND scanned_at < toDateTime({until:UInt32}, 'UTC')
        ORDER BY scanned_at, venue_id, stream, kafka_offset
        LIMIT {limit:UInt64}
    )
)
ORDER BY scanned_at, venue_id, stream, kafka_offset
-- A person has a granule or two in each part: reading them in order and in two passes costs more than the rows.
SETTINGS optimize_read_in_order = 0, optimize_move_to_prewhere = 0
