-- Purpose: counts of scans by day and venue: top venues, and codes that nobody scans.
-- Days are those of China's one time zone, eight hours ahead of UTC; a city whose clock differs is counted from its scans.
-- A projection lives in the same part as its rows. Sorting key: (day, district, category, venue).
ALTER TABLE scans_by_venue
    ADD PROJECTION IF NOT EXISTS venues_by_day
    (
        SELECT intDiv(toUnixTimestamp(scanned_at) + 28800, 86400), district, category, venue_id,
               count()
        GROUP BY intDiv(toUnixTimestamp(scanned_at) + 28800, 86400), district, category, venue_id
    )
