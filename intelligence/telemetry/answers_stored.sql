-- Accepted rows, duplicates, conflicts and days of the present deliveries of answers, as `stored` has them for events.
CREATE OR REPLACE TEMP TABLE stored AS
SELECT
    batch_id,
    count(*) FILTER (NOT is_duplicate) AS accepted,
    count(*) FILTER (is_duplicate) AS duplicates,
    count(*) FILTER (is_conflict AND is_duplicate) AS conflicts,
    list(DISTINCT event_date ORDER BY event_date) FILTER (NOT is_duplicate) AS days
FROM answers_taken
GROUP BY batch_id
