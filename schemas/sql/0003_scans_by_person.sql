-- Purpose: where a person was: the first step of every trace.
-- Sorting key: (person_id, scanned_at). Granules and compressed blocks are small because every question reads a few rows
-- of each part, and a block is decompressed whole.
-- `stream` and `kafka_offset` say which message a row is, for reading back after an unclear insert.
CREATE TABLE IF NOT EXISTS scans_by_person
(
    person_id       UInt64 CODEC(Delta(8), ZSTD(1)),
    venue_id        UInt32 CODEC(ZSTD(1)),
    scanned_at      DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    method          Enum8('venue_code' = 1, 'sentinel_health_code' = 2, 'sentinel_id_card' = 3, 'reverse_scan' = 4, 'manual' = 5) CODEC(ZSTD(1)),
    direction       Enum8('entry' = 1, 'exit' = 2) CODEC(ZSTD(1)),
    verdict         Enum8('admit' = 1, 'refuse' = 2, 'recorded' = 3) CODEC(ZSTD(1)),
    reasons         UInt16 CODEC(ZSTD(1)),
    exemption       Enum8('none' = 0, 'urgent_medical' = 1, 'other' = 2) CODEC(ZSTD(1)),
    colour_shown    Enum8('unknown' = 0, 'green' = 1, 'yellow' = 2, 'red' = 3) CODEC(ZSTD(1)),
    colour          Enum8('unknown' = 0, 'green' = 1, 'yellow' = 2, 'red' = 3) CODEC(ZSTD(1)),
    test_result     Enum8('none' = 0, 'negative' = 1, 'positive' = 2) CODEC(ZSTD(1)),
    test_sampled_at DateTime('UTC') CODEC(ZSTD(1)),
    district        UInt32 CODEC(ZSTD(1)),
    category        LowCardinality(String) CODEC(ZSTD(1)),
    far_from_venue  Bool CODEC(ZSTD(1)),
    stream          UInt32 CODEC(ZSTD(1)),
    kafka_offset    UInt64 CODEC(T64, ZSTD(1)),
    INDEX by_offset kafka_offset TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toMonday(scanned_at)
ORDER BY (person_id, scanned_at)
SETTINGS index_granularity = 512, min_compress_block_size = 8192, max_compress_block_size = 16384,
         non_replicated_deduplication_window = 10000
