-- Purpose: what a venue's poster says.
-- Parameters: venue.
-- Sorting key: venues (venue_id).
SELECT name, category, district, door, active, serial
FROM venues FINAL
WHERE venue_id = {venue:UInt32}
