-- Purpose: organisations that applied in a district and have no code: none of their applications is approved, and no venue
-- in use is theirs, wherever in the city. Told are their applications in that district only. Those that have waited
-- longest come first.
-- Parameters: district_from and district_to (inclusive); limit.
-- Sorting key: application_states (application_id, revision) for the last state of each; venues (venue_id).
SELECT organisation, argMaxIf(name, changed_ms, is_here) AS organisation_name, countIf(is_here) AS applications,
       countIf(is_here AND state = 'submitted') AS waiting, countIf(is_here AND state = 'rejected') AS rejected,
       countIf(is_here AND state = 'revoked') AS revoked,
       minIf(first_ms, is_here) AS since_ms, maxIf(changed_ms, is_here) AS changed_at_ms
FROM
(
    SELECT application_id, any(application_states.organisation) AS organisation, argMax(organisation_name, revision) AS name,
           argMax(application_states.state, revision) AS state,
           (any(district) BETWEEN {district_from:UInt32} AND {district_to:UInt32}) AS is_here,
           min(at_ms) AS first_ms, argMax(at_ms, revision) AS changed_ms
    FROM application_states
    GROUP BY application_id
)
WHERE organisation NOT IN (SELECT organisation FROM venues FINAL WHERE active)
GROUP BY organisation
HAVING countIf(state = 'approved') = 0 AND applications > 0
ORDER BY since_ms, organisation
LIMIT {limit:UInt64}
