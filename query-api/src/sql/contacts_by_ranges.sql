-- Purpose: the scans of others inside a few windows of a person's venues.
-- Parameters: person, who is left out; venues, opens and closes (inclusive, seconds since 1970), one entry per
-- window; limit. The condition on window number N is put in place of the marker once for each window: indexing an
-- array parameter by a number is a constant to ClickHouse, which reads one range of the key for each.
-- Sorting key: scans_by_venue (venue_id, scanned_at), both columns.
SELECT person_id, venue_id, scanned_at, method, colour
FROM scans_by_venue
WHERE person_id != {person:UInt64}
  AND (/*WINDOWS*/)
LIMIT {limit:UInt64}
-- The key leaves few granules of small columns: reading each in two passes costs more than it spares.
SETTINGS optimize_move_to_prewhere = 0
