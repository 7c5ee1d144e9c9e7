-- Purpose: the names and places of the venues in parts that have not been read before, to keep the directory in memory. A
-- part never changes; whoever has read all parts has every version of every venue.
-- Parameters: seen, the names of parts that were read.
-- Sorting key: none; parts are left out by their names.
SELECT _part AS part, venue_id, version, name, latitude, longitude
FROM venues
WHERE _part NOT IN {seen:Array(String)}
SETTINGS max_threads = 1
