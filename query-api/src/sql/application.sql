-- Purpose: every state that an application has been in, oldest first; the last one holds.
-- Parameters: application.
-- Sorting key: application_states (application_id, revision), first column.
SELECT *
FROM application_states FINAL
WHERE application_id = {application:UUID}
ORDER BY revision
