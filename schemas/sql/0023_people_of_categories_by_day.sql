-- Purpose: sketches of the distinct people of each day and category, as in people_of_city_by_day.
-- A projection lives in the same part as its rows. Sorting key: (category, day).
ALTER TABLE scans_by_venue
    ADD PROJECTION IF NOT EXISTS people_of_categories_by_day
    (
        SELECT category, intDiv(toUnixTimestamp(scanned_at) + 28800, 86400),
               uniqCombined64(15)(person_id)
        GROUP BY category, intDiv(toUnixTimestamp(scanned_at) + 28800, 86400)
    )
