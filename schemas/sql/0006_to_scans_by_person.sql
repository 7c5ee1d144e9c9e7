-- Purpose: fills scans_by_person from each insert into scans_in.
CREATE MATERIALIZED VIEW IF NOT EXISTS to_scans_by_person TO scans_by_person AS
SELECT person_id, venue_id, scanned_at, method, direction, verdict, reasons, exemption, colour_shown, colour,
       test_result, test_sampled_at, district, category, far_from_venue, stream, kafka_offset
FROM scans_in
