-- Purpose: as in scans_in; scans from before were not far from anything.
ALTER TABLE scans_by_person ADD COLUMN IF NOT EXISTS far_from_venue Bool CODEC(ZSTD(1))
