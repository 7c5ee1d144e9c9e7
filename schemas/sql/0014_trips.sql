-- Purpose: every state that a lorry's trip has been in, one row per event that changed it; the last one holds. A lorry that
-- was scanned where none of its trips goes has a row as well, in the state `undeclared`.
-- The row of an event is always the same, so that writing it again changes nothing.
-- Sorting key: (district, trip_id, revision); a trip's identity says its district.
CREATE TABLE IF NOT EXISTS trips
(
    trip_id          UUID,
    revision         UInt64,
    district         UInt32,
    vehicle_id       UInt64,
    driver_id        UInt64,
    since            Int64,
    action           LowCardinality(String),
    at_ms            Int64,
    event_id         Nullable(UUID),
    step             LowCardinality(String),
    refused          LowCardinality(String),
    state            LowCardinality(String),
    overdue          Bool,
    checkpoint       UInt32,
    destination      UInt32,
    expected_return  Nullable(Int64),
    expected_arrival Nullable(Int64),
    expected_leave   Nullable(Int64),
    due_at           Nullable(Int64),
    symptoms         Bool,
    risk             Bool,
    entered_at       Nullable(Int64),
    entered_venue    UInt32,
    closed_at        Nullable(Int64),
    cancelled_at     Nullable(Int64),
    instead_of       Nullable(UUID)
)
ENGINE = ReplacingMergeTree
PARTITION BY toMonday(fromUnixTimestamp64Milli(since * 1000, 'UTC'))
ORDER BY (district, trip_id, revision)
SETTINGS index_granularity = 1024
