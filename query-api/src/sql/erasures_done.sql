-- Purpose: how many erasures were carried out; what was read before there was another one may still have that person.
-- Parameters: none.
-- Sorting key: erasures (erasure_id, revision): none of it; there are few.
SELECT uniqExact(erasure_id)
FROM erasures
WHERE state = 'done'
