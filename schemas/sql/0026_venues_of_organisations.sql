-- Purpose: finds the venues of an organisation without reading the whole directory.
ALTER TABLE venues ADD INDEX IF NOT EXISTS of_organisation organisation TYPE bloom_filter(0.001) GRANULARITY 1
