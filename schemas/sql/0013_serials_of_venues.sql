-- Purpose: the issue number of a venue's current code, for the poster. Null until the processor, which writes the whole
-- directory whenever it starts, has written the venue again: a poster with a guessed number would be a revoked one.
ALTER TABLE venues ADD COLUMN IF NOT EXISTS serial Nullable(UInt8) AFTER active
