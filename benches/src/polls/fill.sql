-- Purpose: scans of a made-up city over fourteen days, straight into the table that footfall is counted from.
-- Parameters: first and count, the numbers of the scans; since, midnight of the first day, seconds since 1970.
-- Sorting key: none. 2.5 M people, 200,000 venues of which few have most scans, 16 districts, 18 categories.
INSERT INTO scans_by_venue
    (person_id, venue_id, scanned_at, method, direction, verdict, reasons, exemption, colour_shown, colour, test_result,
     test_sampled_at, district, category, far_from_venue, stream, kafka_offset)
SELECT intHash64(intHash64(number) % 2500000) AS person_id,
       toUInt32(200000 * pow((intHash64(number + 1) % 1000000) / 1000000, 3)) AS venue_id,
       toDateTime({since:UInt32} + intHash64(number + 2) % 1209600, 'UTC') AS scanned_at,
       if(number % 5 < 3, 'venue_code', 'sentinel_health_code') AS method, 'entry' AS direction,
       if(number % 1000 = 0, 'refuse', 'admit') AS verdict, 0 AS reasons, 'none' AS exemption,
       if(number % 1000 = 0, 'yellow', 'green') AS colour_shown, colour_shown AS colour, 'negative' AS test_result,
       scanned_at - 3600 AS test_sampled_at, 310101 + venue_id % 16 AS district,
       concat('category_', toString(venue_id % 18)) AS category, false AS far_from_venue, 1 AS stream,
       number AS kafka_offset
FROM numbers({first:UInt64}, {count:UInt64})
SETTINGS max_insert_block_size = 1000000, min_insert_block_size_rows = 1000000
