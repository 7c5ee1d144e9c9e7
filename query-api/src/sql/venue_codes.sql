-- Purpose: since when some venues have had codes, as far as the registry has decided about them.
-- Parameters: venues.
-- Sorting key: none; the index of_venue.
SELECT venue_id, min(at_ms) AS since_ms
FROM application_states
WHERE venue_id IN {venues:Array(UInt32)} AND venue_id != 0
GROUP BY venue_id
