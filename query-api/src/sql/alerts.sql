-- Purpose: the alerts of a district or of several since a time, as they are now, newest first.
-- Parameters: district_from and district_to (inclusive); since_ms (inclusive, milliseconds since 1970); state, empty when it
--   makes no difference, `escalated` for those that nobody acknowledged in time; limit.
-- Sorting key: alerts (district, alert_id, revision), first column, and its partitions by time.
SELECT *
FROM
(
    SELECT alert_id, district, kind, venue_id, person_id, vehicle_id, scanned_at, method, verdict, colour, reasons, raised_at_ms,
           action, at_ms, command_id, sender, refused, state, escalated_at_ms, acknowledged_at_ms, acknowledged_by,
           disposed_at_ms, disposed_by, disposition
    FROM alerts
    WHERE district BETWEEN {district_from:UInt32} AND {district_to:UInt32}
      AND raised_at_ms >= {since_ms:Int64}
    ORDER BY district, alert_id, revision DESC
    LIMIT 1 BY district, alert_id
)
WHERE {state:String} IN ('', state) OR ({state:String} = 'escalated' AND state = 'raised' AND escalated_at_ms IS NOT NULL)
ORDER BY raised_at_ms DESC, alert_id
LIMIT {limit:UInt64}
