-- Purpose: what the query API's questions took since a time: rows and bytes read, and microseconds of CPU, in this order.
-- Parameters: since, seconds since 1970 with microseconds; user, the one that can only read.
-- Sorting key: none; the log is as old as the engine.
SELECT arrayJoin([sum(read_rows), sum(read_bytes), sum(ProfileEvents['OSCPUVirtualTimeMicroseconds'])])
FROM system.query_log
WHERE type = 'QueryFinish' AND user = {user:String} AND current_database = currentDatabase()
  AND event_time_microseconds > toDateTime64({since:String}, 6)
