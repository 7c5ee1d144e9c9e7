-- Purpose: places_by_hour has all that this one had. Dropped before older scans are counted anew, as it would wait for that.
ALTER TABLE scans_by_venue DROP PROJECTION IF EXISTS footfall_by_hour
