-- Purpose: how many codes were issued for the first time, and how many revoked, on each day of the city's clock since a
-- time, as the registry decided.
-- Parameters: since_ms (inclusive), milliseconds since 1970; offset of the city's clock from UTC, in seconds.
-- Sorting key: none of application_states, whose last states of each application are few.
SELECT intDiv(at_ms, 1000) - positiveModulo(intDiv(at_ms, 1000) + {offset:Int64}, 86400) AS start,
       countIf(action = 'review' OR action = 'submit') AS issued, countIf(action = 'revoke') AS revoked
FROM application_states FINAL
WHERE at_ms >= {since_ms:Int64} AND refused = ''
  AND ((action IN ('review', 'submit') AND state = 'approved') OR (action = 'revoke' AND state = 'revoked'))
GROUP BY start
ORDER BY start
