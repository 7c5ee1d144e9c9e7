-- Purpose: the same by minute, for steps and times that are no whole hours.
-- A projection lives in the same part as its rows. Sorting key: (district, category, minute).
-- Granules are small, as the minutes of an hour of one category are a few rows in each district.
ALTER TABLE scans_by_venue
    ADD PROJECTION IF NOT EXISTS places_by_minute
    (
        SELECT district, category, toStartOfMinute(scanned_at),
               count(),
               countIf(colour = 'green'), countIf(colour = 'yellow'), countIf(colour = 'red'),
               countIf(method = 'sentinel_health_code'), countIf(method = 'sentinel_id_card'),
               countIf(method = 'reverse_scan'), countIf(method = 'manual'),
               countIf(verdict = 'refuse'), countIf(direction = 'exit')
        GROUP BY district, category, toStartOfMinute(scanned_at)
    ) WITH SETTINGS (index_granularity = 256)
