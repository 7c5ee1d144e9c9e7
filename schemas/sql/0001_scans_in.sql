-- Purpose: where the processor inserts. It stores nothing itself; the views below it fill the tables, so that
-- one insert of one block with one deduplication token reaches all of them.
CREATE TABLE IF NOT EXISTS scans_in
(
    person_id       UInt64,
    venue_id        UInt32,
    scanned_at      DateTime('UTC'),
    method          Enum8('venue_code' = 1, 'sentinel_health_code' = 2, 'sentinel_id_card' = 3, 'reverse_scan' = 4, 'manual' = 5),
    direction       Enum8('entry' = 1, 'exit' = 2),
    verdict         Enum8('admit' = 1, 'refuse' = 2, 'recorded' = 3),
    reasons         UInt16,
    exemption       Enum8('none' = 0, 'urgent_medical' = 1, 'other' = 2),
    colour_shown    Enum8('unknown' = 0, 'green' = 1, 'yellow' = 2, 'red' = 3),
    colour          Enum8('unknown' = 0, 'green' = 1, 'yellow' = 2, 'red' = 3),
    test_result     Enum8('none' = 0, 'negative' = 1, 'positive' = 2),
    test_sampled_at DateTime('UTC'),
    district        UInt32,
    category        LowCardinality(String),
    far_from_venue  Bool,
    event_id        UUID,
    stream          UInt32,
    kafka_offset    UInt64
)
ENGINE = Null
