-- Purpose: the last states that a reminder has been in, newest first; the first one holds.
-- Parameters: district, which the reminder's identity says; reminder; limit.
-- Sorting key: reminders (district, reminder_id, revision), first two columns.
SELECT *
FROM reminders
WHERE district = {district:UInt32} AND reminder_id = {reminder:UUID}
ORDER BY revision DESC
LIMIT 1 BY revision
LIMIT {limit:UInt64}
