-- Purpose: every state that a trip has been in, oldest first; the last one holds.
-- Parameters: district, which the trip's identity says; trip.
-- Sorting key: trips (district, trip_id, revision), first two columns.
SELECT trip_id, district, vehicle_id, driver_id, action, at_ms, event_id, step, refused, state, overdue, checkpoint,
       destination, since, expected_return, expected_arrival, expected_leave, due_at, symptoms, risk, entered_at,
       entered_venue, closed_at, cancelled_at, instead_of
FROM trips FINAL
WHERE district = {district:UInt32} AND trip_id = {trip:UUID}
ORDER BY revision
