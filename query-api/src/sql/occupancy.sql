-- Purpose: how many people are inside each venue: those whose last passage since midnight was an entry that was not
-- refused, each counted once. Where nobody was scanned on the way out within a week, exits are not scanned there.
-- Of an entry and an exit within one second the exit was later.
-- Parameters: week (inclusive), midnight (inclusive) and until (exclusive), seconds since 1970; that of the scope, whose
-- condition takes the place of TRUE.
-- Sorting key: scans_by_venue (venue_id, scanned_at), both columns.
SELECT venue_id, countIf(passages > 0 AND last_direction = 'entry') AS inside, toBool(max(has_left)) AS exits_scanned
FROM
(
    SELECT venue_id, person_id,
           countIf(scanned_at >= toDateTime({midnight:UInt32}, 'UTC') AND (verdict != 'refuse' OR direction = 'exit')) AS passages,
           argMaxIf(direction, (scanned_at, direction), scanned_at >= toDateTime({midnight:UInt32}, 'UTC')
                                                        AND (verdict != 'refuse' OR direction = 'exit')) AS last_direction,
           max(direction = 'exit') AS has_left
    FROM scans_by_venue
    WHERE TRUE
      AND scanned_at >= toDateTime({week:UInt32}, 'UTC')
      AND scanned_at < toDateTime({until:UInt32}, 'UTC')
    GROUP BY venue_id, person_id
)
GROUP BY venue_id
ORDER BY exits_scanned DESC, inside DESC, venue_id
-- No projection can answer it; looking for one in each part would take a third of the CPU.
SETTINGS optimize_use_projections = 0
