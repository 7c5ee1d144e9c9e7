-- Purpose: the names of the venues in an answer.
-- Parameters: venues.
-- Sorting key: venues (venue_id).
SELECT venue_id, name
FROM venues FINAL
WHERE venue_id IN {venues:Array(UInt32)}
