-- Purpose: the places of the freight loop that are in use, by district and name. Which names are meant is looked at by the
--   service: what somebody types goes into no query.
-- Parameters: categories; district_from and district_to (inclusive).
-- Sorting key: all of venues (venue_id): a city has some dozens of checkpoints, and the category is a number in memory.
SELECT venue_id, name, category, district, address, latitude, longitude, serial
FROM venues FINAL
WHERE active
  AND category IN {categories:Array(String)}
  AND district BETWEEN {district_from:UInt32} AND {district_to:UInt32}
ORDER BY district, name, venue_id
