-- Purpose: the identities of the scans stored lately, from which the processor knows a scan that is sent again
-- after it has restarted.
-- Sorting key: (stream, kafka_offset), so that the newest of one partition are one range.
-- Kept with the city's retention, which the processor sees to, and for 31 days at most: longer than the scans themselves
-- stay on Kafka, from when they came.
CREATE TABLE IF NOT EXISTS scan_ids
(
    stream       UInt32 CODEC(ZSTD(1)),
    kafka_offset UInt64 CODEC(Delta(8), ZSTD(1)),
    event_id     UUID CODEC(NONE),
    stored_at    DateTime('UTC') DEFAULT now() CODEC(Delta(4), ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toMonday(stored_at)
ORDER BY (stream, kafka_offset)
TTL stored_at + INTERVAL 31 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000
