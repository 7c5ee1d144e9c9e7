-- Purpose: who people are, as the gateway has sealed it: the newest registration of a person by each form. The query service
-- opens it for who has a release; nothing in here is to be read without the ring of identity keys.
-- A person's records by one form lie in one partition of the topic, so that the one with the greatest offset is the newest.
-- What was replaced goes within days, like on Kafka: parts older than a day are merged, however large they are.
-- Sorting key: (person_id, form); the registrations of one person are one range.
CREATE TABLE IF NOT EXISTS identities
(
    person_id     UInt64,
    form          LowCardinality(String),
    v             UInt8,
    document      LowCardinality(String),
    registered_at Int64,
    sealed        String,
    kafka_offset  UInt64
)
ENGINE = ReplacingMergeTree(kafka_offset)
ORDER BY (person_id, form)
SETTINGS index_granularity = 1024, min_age_to_force_merge_seconds = 86400
