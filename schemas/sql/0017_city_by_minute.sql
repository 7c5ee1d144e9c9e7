-- Purpose: counts of all scans by minute, so that a dashboard of the whole city reads one row for each minute. Colours and
-- methods that are not named are what the named ones leave of the count.
-- A projection lives in the same part as its rows, see footfall_by_hour. Sorting key: (minute).
ALTER TABLE scans_by_venue
    ADD PROJECTION IF NOT EXISTS city_by_minute
    (
        SELECT toStartOfMinute(scanned_at),
               count(),
               countIf(colour = 'green'), countIf(colour = 'yellow'), countIf(colour = 'red'),
               countIf(method = 'sentinel_health_code'), countIf(method = 'sentinel_id_card'),
               countIf(method = 'reverse_scan'), countIf(method = 'manual'),
               countIf(verdict = 'refuse'), countIf(direction = 'exit')
        GROUP BY toStartOfMinute(scanned_at)
    )
