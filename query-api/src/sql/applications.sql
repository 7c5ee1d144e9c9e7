-- Purpose: the applications of an organisation, an applicant, a venue or a district, as they are now, newest first.
-- Parameters: organisation, applicant, venue, state: each empty or 0 when it makes no difference; district_from and
--   district_to (inclusive); limit.
-- Sorting key: application_states (application_id, revision) for the last state of each; which applications are meant
--   comes through the indexes of_organisation, of_applicant and of_venue. A venue is known from the approval on only.
SELECT *
FROM
(
    SELECT *
    FROM application_states
    WHERE application_id IN
    (
        SELECT application_id
        FROM application_states
        WHERE ({organisation:String} = '' OR organisation = {organisation:String})
          AND ({applicant:UInt64} = 0 OR applicant = {applicant:UInt64})
          AND ({venue:UInt32} = 0 OR venue_id = {venue:UInt32})
          AND district BETWEEN {district_from:UInt32} AND {district_to:UInt32}
    )
    ORDER BY application_id, revision DESC
    LIMIT 1 BY application_id
)
WHERE {state:String} = '' OR state = {state:String}
ORDER BY at_ms DESC, application_id
LIMIT {limit:UInt64}
