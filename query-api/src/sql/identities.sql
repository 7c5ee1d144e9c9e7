-- Purpose: who a person is, sealed: the newest registration by each form.
-- Parameters: person.
-- Sorting key: identities (person_id, form), first column.
SELECT form, v, document, registered_at, sealed
FROM identities FINAL
WHERE person_id = {person:UInt64}
ORDER BY form
