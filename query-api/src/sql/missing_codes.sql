-- Purpose: organisations that applied in a district and have no code: none of their applications is approved, and no venue
-- in use is theirs. Those that have waited longest come first.
-- Parameters: district_from and district_to (inclusive); limit.
-- Sorting key: application_states (application_id, revision) for the last state of each; venues (venue_id).
SELECT organisation, argMax(name, changed_ms) AS organisation_name, count() AS applications,
       countIf(state = 'submitted') AS waiting, countIf(state = 'rejected') AS rejected, countIf(state = 'revoked') AS revoked,
       min(first_ms) AS since_ms, max(changed_ms) AS changed_at_ms
FROM
(
    SELECT application_id, any(application_states.organisation) AS organisation, argMax(organisation_name, revision) AS name,
           argMax(application_states.state, revision) AS state, any(application_states.district) AS district,
           min(at_ms) AS first_ms, argMax(at_ms, revision) AS changed_ms
    FROM application_states
    GROUP BY application_id
)
WHERE organisation NOT IN (SELECT organisation FROM venues FINAL WHERE active)
GROUP BY organisation
HAVING countIf(state = 'approved') = 0 AND countIf(district BETWEEN {district_from:UInt32} AND {district_to:UInt32}) > 0
ORDER BY since_ms, organisation
LIMIT {limit:UInt64}
