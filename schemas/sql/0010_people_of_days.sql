-- Purpose: sketches of the distinct people of each day, of the city and of each district. A sketch of 2^15 cells is off by
-- 0.6 % (one standard deviation). Days are those of China's one time zone, eight hours ahead of UTC.
-- Projections, as in counts_of_scans. people_of_city_by_day: sorting key (day). people_of_districts_by_day: sorting key
-- (district, day).
ALTER TABLE scans_by_venue
    ADD PROJECTION IF NOT EXISTS people_of_city_by_day
    (
        SELECT intDiv(toUnixTimestamp(scanned_at) + 28800, 86400),
               uniqCombined64(15)(person_id)
        GROUP BY intDiv(toUnixTimestamp(scanned_at) + 28800, 86400)
    ),
    ADD PROJECTION IF NOT EXISTS people_of_districts_by_day
    (
        SELECT district, intDiv(toUnixTimestamp(scanned_at) + 28800, 86400),
               uniqCombined64(15)(person_id)
        GROUP BY district, intDiv(toUnixTimestamp(scanned_at) + 28800, 86400)
    )
