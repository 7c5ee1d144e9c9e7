-- Purpose: counts of scans by district, category and hour, so that a dashboard of either need not count the scans. Takes
-- the place of footfall_by_hour: it knows methods, refusals and exits as well, and one district's hours lie together.
-- A projection lives in the same part as its rows. Hours are those of UTC. Sorting key: (district, category, hour).
-- Granules are small, as the hours of a day of one category are a few rows in each district.
ALTER TABLE scans_by_venue
    ADD PROJECTION IF NOT EXISTS places_by_hour
    (
        SELECT district, category, toStartOfHour(scanned_at),
               count(),
               countIf(colour = 'green'), countIf(colour = 'yellow'), countIf(colour = 'red'),
               countIf(method = 'sentinel_health_code'), countIf(method = 'sentinel_id_card'),
               countIf(method = 'reverse_scan'), countIf(method = 'manual'),
               countIf(verdict = 'refuse'), countIf(direction = 'exit')
        GROUP BY district, category, toStartOfHour(scanned_at)
    ) WITH SETTINGS (index_granularity = 64)
