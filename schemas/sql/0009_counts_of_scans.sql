-- Purpose: counts of scans, so that a dashboard need not count them. Colours and methods that are not named are what the
-- named ones leave of the count.
-- A projection lives in the same part as its rows: it is stored, repaired, moved and dropped with them, and needs no
-- token of its own. It is counted anew when rows of its part are deleted; without that setting deletes are refused.
-- city_by_minute: of the whole city one row for each minute. Sorting key: (minute).
-- places_by_hour: one district's hours lie together. Hours are those of UTC. Sorting key: (district, category, hour).
-- places_by_minute: the same for steps and times that are no whole hours. Sorting key: (district, category, minute).
-- venues_by_day: top venues, and codes that nobody scans. Days are those of China's one time zone, eight hours ahead of
-- UTC; a city whose clock differs is counted from its scans. Sorting key: (day, district, category, venue).
-- Granules are small where an hour or a day of one category is a few rows in each district.
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
    ),
    ADD PROJECTION IF NOT EXISTS places_by_hour
    (
        SELECT district, category, toStartOfHour(scanned_at),
               count(),
               countIf(colour = 'green'), countIf(colour = 'yellow'), countIf(colour = 'red'),
               countIf(method = 'sentinel_health_code'), countIf(method = 'sentinel_id_card'),
               countIf(method = 'reverse_scan'), countIf(method = 'manual'),
               countIf(verdict = 'refuse'), countIf(direction = 'exit')
        GROUP BY district, category, toStartOfHour(scanned_at)
    ) WITH SETTINGS (index_granularity = 64),
    ADD PROJECTION IF NOT EXISTS places_by_minute
    (
        SELECT district, category, toStartOfMinute(scanned_at),
               count(),
               countIf(colour = 'green'), countIf(colour = 'yellow'), countIf(colour = 'red'),
               countIf(method = 'sentinel_health_code'), countIf(method = 'sentinel_id_card'),
               countIf(method = 'reverse_scan'), countIf(method = 'manual'),
               countIf(verdict = 'refuse'), countIf(direction = 'exit')
        GROUP BY district, category, toStartOfMinute(scanned_at)
    ) WITH SETTINGS (index_granularity = 256),
    ADD PROJECTION IF NOT EXISTS venues_by_day
    (
        SELECT intDiv(toUnixTimestamp(scanned_at) + 28800, 86400), district, category, venue_id,
               count()
        GROUP BY intDiv(toUnixTimestamp(scanned_at) + 28800, 86400), district, category, venue_id
    ),
    MODIFY SETTING lightweight_mutation_projection_mode = 'rebuild'
