-- Purpose: counts what was stored before the counts were there. Goes on in the background; until it is done these
-- scans are counted from their rows.
ALTER TABLE scans_by_venue MATERIALIZE PROJECTION footfall_by_hour
