-- Purpose: the reminders of an organisation or a district or several since a time, as they are now, newest first.
-- Parameters: organisation, empty when it makes no difference; district_from and district_to (inclusive); since_ms
--   (inclusive, milliseconds since 1970); state, empty when it makes no difference, `escalated` for those past their day that
--   nobody has settled; sent_only, 1 to leave out those that were refused; limit.
-- Sorting key: reminders (district, reminder_id, revision), first column; an organisation's come through the index
--   of_organisation, and neither organisation nor time of a reminder ever changes.
SELECT *
FROM
(
    SELECT *
    FROM reminders
    WHERE district BETWEEN {district_from:UInt32} AND {district_to:UInt32}
      AND ({organisation:String} = '' OR organisation = {organisation:String})
      AND sent_at_ms >= {since_ms:Int64}
    ORDER BY district, reminder_id, revision DESC
    LIMIT 1 BY district, reminder_id
)
WHERE ({state:String} IN ('', state) OR ({state:String} = 'escalated' AND state IN ('sent', 'answered') AND escalated_at_ms IS NOT NULL))
  AND ({sent_only:UInt8} = 0 OR state != 'refused')
ORDER BY sent_at_ms DESC, reminder_id
LIMIT {limit:UInt64}
