-- Purpose: whose a venue is, to hold it against the limits of a token. No row when the directory does not have it.
-- Parameters: venue.
-- Sorting key: all of venues (venue_id); the newest version counts.
SELECT district, organisation
FROM venues
WHERE venue_id = {venue:UInt32}
ORDER BY version DESC
LIMIT 1
