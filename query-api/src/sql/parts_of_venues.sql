-- Purpose: which parts the directory has, and which table it is: one that is made anew has parts of the same names.
-- Parameters: none.
-- Sorting key: none; system tables, by the names of database and table.
SELECT ifNull(toString((SELECT uuid FROM system.tables WHERE database = currentDatabase() AND name = 'venues')), '') AS id,
       groupArray(name) AS parts
FROM system.parts
WHERE database = currentDatabase() AND table = 'venues' AND active
