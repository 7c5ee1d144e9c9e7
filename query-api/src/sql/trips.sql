-- Purpose: the trips to a district or several, or of a driver, as they are now, the last declared first.
-- Parameters: district_from and district_to (inclusive); driver, 0 when it makes no difference; since (inclusive, seconds
--   since 1970); state, empty when it makes no difference, `overdue` for those that are open and were due; limit.
-- Sorting key: trips (district, trip_id, revision), first column, and its partitions by time.
SELECT *
FROM
(
    SELECT trip_id, district, vehicle_id, driver_id, action, at_ms, event_id, step, refused, state, overdue, checkpoint,
           destination, since, expected_return, expected_arrival, expected_leave, due_at, symptoms, risk, entered_at,
           entered_venue, closed_at, cancelled_at, instead_of
    FROM trips
    WHERE district BETWEEN {district_from:UInt32} AND {district_to:UInt32}
      AND ({driver:UInt64} = 0 OR driver_id = {driver:UInt64})
      AND since >= {since:Int64}
    ORDER BY district, trip_id, revision DESC
    LIMIT 1 BY district, trip_id
)
WHERE {state:String} IN ('', state) OR ({state:String} = 'overdue' AND overdue AND state IN ('declared', 'entered'))
ORDER BY since DESC, trip_id
LIMIT {limit:UInt64}
