-- Purpose: how many organisations have codes now, and how many codes there are.
-- Parameters: none.
-- Sorting key: none, the directory is read whole.
SELECT uniqExactIf(organisation, organisation != '') AS organisations, count() AS codes
FROM venues FINAL
WHERE active
