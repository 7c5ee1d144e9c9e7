-- Purpose: the names of the venues in an answer, and where they are.
-- Parameters: venues.
-- Sorting key: venues (venue_id).
SELECT venue_id, name, latitude, longitude
FROM venues FINAL
WHERE venue_id IN {venues:Array(UInt32)}
