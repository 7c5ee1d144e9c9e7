-- Purpose: every state that an alert has been in, oldest first; the last one holds.
-- Parameters: district, which the alert's identity says; alert.
-- Sorting key: alerts (district, alert_id, revision), first two columns.
SELECT alert_id, district, kind, venue_id, person_id, vehicle_id, scanned_at, method, verdict, colour, reasons, raised_at_ms, action,
       at_ms, command_id, sender, refused, state, escalated_at_ms, acknowledged_at_ms, acknowledged_by, disposed_at_ms,
       disposed_by, disposition
FROM alerts FINAL
WHERE district = {district:UInt32} AND alert_id = {alert:UUID}
ORDER BY revision
