-- Purpose: counts of scans by hour, district, category and colour, so that a dashboard need not count the scans.
-- A projection lives in the same part as its rows: it is stored, repaired, moved and dropped with them, and needs no
-- token of its own. It is counted anew when rows of its part are deleted; without that setting deletes are refused.
-- Hours are those of UTC. Sorting key: (hour, district, category, colour).
ALTER TABLE scans_by_venue
    ADD PROJECTION IF NOT EXISTS footfall_by_hour
    (
        SELECT toStartOfHour(scanned_at), district, category, colour, count()
        GROUP BY toStartOfHour(scanned_at), district, category, colour
    ),
    MODIFY SETTING lightweight_mutation_projection_mode = 'rebuild'
