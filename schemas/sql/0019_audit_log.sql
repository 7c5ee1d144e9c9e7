-- Purpose: who read whose movements or health, when and why: appended to before each answer leaves, never changed. Each
-- entry has the hash of the one before it in its chain; `venuecode audit verify` holds them against each other.
-- A plain MergeTree: nothing in it replaces anything, and without a TTL: it is kept for good. An entry counts once it is on
-- the disk, also if the power fails.
-- Sorting key: (chain, sequence), the order of a chain. Whose data was read is found by the filters: few rows a granule,
-- since an entry may name thousands.
CREATE TABLE IF NOT EXISTS audit_log
(
    chain          UUID,
    sequence       UInt64,
    at_ms          Int64,
    account        String,
    role           LowCardinality(String),
    district       UInt32,
    route          LowCardinality(String),
    release_id     UUID,
    case_number    String,
    case_kind      LowCardinality(String),
    evidence       String,
    purpose        LowCardinality(String),
    persons        Array(UInt64),
    venues         Array(UInt32),
    depth          UInt8,
    window_minutes UInt16,
    from_s         Int64,
    to_s           Int64,
    reached        Array(UInt64),
    reached_depths Array(UInt8),
    scans          UInt64,
    previous       String,
    key_version    UInt8,
    hash           String,
    INDEX by_release release_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_person persons TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_reached reached TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(at_ms, 'UTC'))
ORDER BY (chain, sequence)
SETTINGS index_granularity = 64, fsync_after_insert = 1, fsync_part_directory = 1
