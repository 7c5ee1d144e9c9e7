-- Purpose: whether the phone that sent a scan said that it was far from the venue. Where it was is not stored anywhere.
ALTER TABLE scans_in ADD COLUMN IF NOT EXISTS far_from_venue Bool
