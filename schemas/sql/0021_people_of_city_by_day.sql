-- Purpose: sketches of the distinct people of each day of the city. A sketch of 2^15 cells is off by 0.6 % (one standard
-- deviation). Days are those of China's one time zone.
-- A projection lives in the same part as its rows. Sorting key: (day).
ALTER TABLE scans_by_venue
    ADD PROJECTION IF NOT EXISTS people_of_city_by_day
    (
        SELECT intDiv(toUnixTimestamp(scanned_at) + 28800, 86400),
               uniqCombined64(15)(person_id)
        GROUP BY intDiv(toUnixTimestamp(scanned_at) + 28800, 86400)
    )
