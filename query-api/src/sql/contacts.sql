-- Purpose: the scans of others in the steps of time that some people's windows touch, at their venues. The service holds
-- them against the windows: that takes it less than a join takes ClickHouse.
-- Parameters: cases, who are left out; venues and starts (seconds since 1970), one entry per step; first and last second;
-- most, how many are sent.
-- toStartOfDay, toStartOfHour or toStartOfFifteenMinutes may take the place of toStartOfFiveMinutes. Where there are too
-- many days the venues are read whole: then their numbers alone take the place of the condition, and starts is not used.
-- Sorting key: scans_by_venue (venue_id, scanned_at), both columns, and its partitions by time. Places in the key are looked
-- up in a set, so that their number counts for little.
SELECT person_id, venue_id, scanned_at, method, direction, colour
FROM scans_by_venue
WHERE (venue_id, toStartOfFiveMinutes(scanned_at)) IN arrayZip({venues:Array(UInt32)}, {starts:Array(DateTime('UTC'))})
  AND scanned_at BETWEEN toDateTime({first:UInt32}, 'UTC') AND toDateTime({last:UInt32}, 'UTC')
  AND person_id NOT IN {cases:Array(UInt64)}
LIMIT {most:UInt64}
-- More threads are better left to other traces. Parts are searched in steps of four granules: with few granules of each
-- venue that takes two thirds of what steps of eight take.
SETTINGS max_threads = 1, merge_tree_coarse_index_granularity = 4, optimize_use_projections = 0
