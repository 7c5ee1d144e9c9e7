-- Purpose: the venues with most scans in a time, or with most people when `by_people` is true, counted from the scans, in
-- the order of their counts as whole multiples of the smallest group, and of their numbers.
-- Parameters: since (inclusive) and until (exclusive), seconds since 1970; by_people; smallest, the least scans of a venue;
-- limit and skipped; that of the scope, whose condition takes the place of TRUE.
-- Sorting key: of venues both columns of scans_by_venue (venue_id, scanned_at); else its partitions by time.
SELECT venue_id, scans
FROM
(
    SELECT venue_id, count() AS scans, uniqExactIf(person_id, {by_people:Bool}) AS persons
    FROM scans_by_venue
    WHERE TRUE
      AND scanned_at >= toDateTime({since:UInt32}, 'UTC')
      AND scanned_at < toDateTime({until:UInt32}, 'UTC')
    GROUP BY venue_id
)
WHERE scans >= {smallest:UInt64}
ORDER BY intDiv(persons, {smallest:UInt64}) DESC, intDiv(scans, {smallest:UInt64}) DESC, venue_id
LIMIT {skipped:UInt64}, {limit:UInt64}
-- No projection can answer it; looking for one in each part would take a third of the CPU.
SETTINGS optimize_use_projections = 0
