-- Purpose: the venue directory for names in answers. A venue may be written again: the newest version stays.
-- Sorting key: (venue_id).
CREATE TABLE IF NOT EXISTS venues
(
    venue_id     UInt32,
    name         String,
    category     LowCardinality(String),
    district     UInt32,
    address      String,
    door         String,
    organisation String,
    active       Bool,
    latitude     Nullable(Float64),
    longitude    Nullable(Float64),
    version      UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY venue_id
SETTINGS index_granularity = 1024
