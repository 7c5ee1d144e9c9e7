-- Purpose: fills scans_by_venue with the column far_from_venue as well.
ALTER TABLE to_scans_by_venue MODIFY QUERY
SELECT person_id, venue_id, scanned_at, method, direction, verdict, reasons, exemption, colour_shown, colour,
       test_result, test_sampled_at, district, category, far_from_venue, stream, kafka_offset
FROM scans_in
