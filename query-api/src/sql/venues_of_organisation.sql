-- Purpose: the venues of an organisation.
-- Parameters: organisation.
-- Sorting key: venues (venue_id), whose candidates the index of_organisation finds.
SELECT venue_id
FROM venues FINAL
WHERE organisation = {organisation:String}
  AND venue_id IN (SELECT venue_id FROM venues WHERE organisation = {organisation:String})
