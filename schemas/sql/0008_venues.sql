-- Purpose: the venue directory for names in answers. A venue may be written again: the newest version stays.
-- Sorting key: (venue_id). The index finds the venues of an organisation without reading the whole directory.
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
    version      UInt64,
    INDEX of_organisation organisation TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
ORDER BY venue_id
SETTINGS index_granularity = 1024
