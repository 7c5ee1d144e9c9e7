-- Purpose: about how many distinct people there were on each day, from the sketches that scans_by_venue keeps.
-- Parameters: first and last day (inclusive), as days since 1970 by a clock eight hours ahead of UTC; that of the scope,
-- whose condition takes the place of TRUE. The scope is the city or a district.
-- Sorting key: of the projection: people_of_city_by_day (day) or people_of_districts_by_day (district, day).
SELECT toInt64(day) * 86400 - 28800 AS start, persons
FROM
(
    SELECT intDiv(toUnixTimestamp(scanned_at) + 28800, 86400) AS day, uniqCombined64(15)(person_id) AS persons
    FROM scans_by_venue
    WHERE TRUE
      AND intDiv(toUnixTimestamp(scanned_at) + 28800, 86400) >= {first:UInt32}
      AND intDiv(toUnixTimestamp(scanned_at) + 28800, 86400) <= {last:UInt32}
    GROUP BY day
)
ORDER BY start
