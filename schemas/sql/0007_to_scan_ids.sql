-- Purpose: fills scan_ids from each insert into scans_in.
CREATE MATERIALIZED VIEW IF NOT EXISTS to_scan_ids TO scan_ids AS
SELECT stream, kafka_offset, event_id
FROM scans_in
