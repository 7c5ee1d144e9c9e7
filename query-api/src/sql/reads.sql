-- Purpose: when a person's movements, health or identity were read, by which office and why, newest first.
-- Parameters: person; limit.
-- Sorting key: audit_log (chain, sequence): none of it, but its filters by_person and by_reached, each in a part of its own
--   since no filter narrows an OR. Entries since the last merge have no filters yet, and are few.
SELECT at_ms, role, route, district, purpose, case_kind, own
FROM
(
    SELECT at_ms, toString(role) AS role, toString(route) AS route, district, toString(purpose) AS purpose, toString(case_kind) AS case_kind, true AS own
    FROM audit_log
    WHERE has(persons, {person:UInt64})
    UNION ALL
    SELECT at_ms, toString(role) AS role, toString(route) AS route, district, toString(purpose) AS purpose, toString(case_kind) AS case_kind, false AS own
    FROM audit_log
    WHERE has(reached, {person:UInt64}) AND NOT has(persons, {person:UInt64})
)
ORDER BY at_ms DESC
LIMIT {limit:UInt64}
