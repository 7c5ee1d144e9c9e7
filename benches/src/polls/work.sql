-- Purpose: what the server has done since it started: rows and bytes read, and microseconds of CPU, in this order. Queries
-- about people are in no log, so what they took is told by what the counts have grown by.
-- Sorting key: none; the table is made of counters when it is asked.
SELECT value
FROM system.events
WHERE event IN ('SelectedRows', 'SelectedBytes', 'OSCPUVirtualTimeMicroseconds')
ORDER BY indexOf(['SelectedRows', 'SelectedBytes', 'OSCPUVirtualTimeMicroseconds'], event)
