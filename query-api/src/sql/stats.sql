-- Purpose: how much is stored, for a city's front page.
-- Parameters: none.
-- Sorting key: none; the counts of rows and the first and last scan come from the parts' own statistics, the
-- distinct counts read one column each.
SELECT totals.scans AS scans, totals.first_scan AS first_scan, totals.last_scan AS last_scan,
       people.persons AS persons, places.venues_scanned AS venues_scanned, directory.venues AS venues
FROM (SELECT count() AS scans, min(scanned_at) AS first_scan, max(scanned_at) AS last_scan FROM scans_by_venue) AS totals
CROSS JOIN (SELECT uniqExact(person_id) AS persons FROM scans_by_person) AS people
CROSS JOIN (SELECT uniqExact(venue_id) AS venues_scanned FROM scans_by_venue) AS places
CROSS JOIN (SELECT uniqExact(venue_id) AS venues FROM venues) AS directory
