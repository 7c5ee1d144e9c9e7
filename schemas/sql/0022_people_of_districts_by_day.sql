-- Purpose: sketches of the distinct people of each day and district, as in people_of_city_by_day.
-- A projection lives in the same part as its rows. Sorting key: (district, day).
ALTER TABLE scans_by_venue
    ADD PROJECTION IF NOT EXISTS people_of_districts_by_day
    (
        SELECT district, intDiv(toUnixTimestamp(scanned_at) + 28800, 86400),
               uniqCombined64(15)(person_id)
        GROUP BY district, intDiv(toUnixTimestamp(scanned_at) + 28800, 86400)
    )
