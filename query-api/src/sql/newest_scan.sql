-- Purpose: the time of the newest scan that is stored.
-- Parameters: none.
-- Sorting key: none; the parts' own statistics tell it. No scan at all is 0.
SELECT max(scanned_at) AS newest
FROM scans_by_venue
