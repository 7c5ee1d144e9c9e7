-- Purpose: every state that an application for a venue code has been in, one row per command; the last one holds.
-- The row of a command is always the same, so that writing it again changes nothing.
-- Sorting key: (application_id, revision); the lists of an organisation or an applicant go through the indexes.
CREATE TABLE IF NOT EXISTS application_states
(
    application_id    UUID,
    revision          UInt64,
    command_id        UUID,
    action            LowCardinality(String),
    at_ms             Int64,
    state             LowCardinality(String),
    refused           LowCardinality(String),
    reason            LowCardinality(String),
    note              String,
    duplicate_of      Nullable(UUID),
    venue_id          UInt32,
    serial            UInt8,
    organisation      String,
    organisation_name String,
    organisation_kind LowCardinality(String),
    applicant         UInt64,
    applicant_kind    LowCardinality(String),
    channel           LowCardinality(String),
    kind              LowCardinality(String),
    category          LowCardinality(String),
    name              String,
    district          UInt32,
    address           String,
    door              String,
    latitude          Nullable(Float64),
    longitude         Nullable(Float64),
    starts_at         Nullable(Int64),
    ends_at           Nullable(Int64),
    INDEX of_organisation organisation TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX of_applicant applicant TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX of_venue venue_id TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
ORDER BY (application_id, revision)
SETTINGS index_granularity = 1024
