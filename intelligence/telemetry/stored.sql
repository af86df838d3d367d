-- Accepted rows, duplicates, conflicts and days of the present deliveries, counted in the written events of $first to $last.
CREATE OR REPLACE TEMP TABLE stored AS
SELECT
    batch_id,
    CAST(sum(rows) FILTER (NOT is_duplicate) AS BIGINT) AS accepted,
    CAST(sum(rows) FILTER (is_duplicate) AS BIGINT) AS duplicates,
    CAST(sum(rows) FILTER (is_conflict) AS BIGINT) AS conflicts,
    list(DISTINCT event_date ORDER BY event_date) FILTER (NOT is_duplicate) AS days
FROM (
    SELECT batch_id, event_date, is_duplicate, is_conflict, count(*) AS rows
    FROM telemetry.raw_events
    WHERE event_date BETWEEN $first AND $last
    GROUP BY batch_id, event_date, is_duplicate, is_conflict
)
SEMI JOIN deliveries USING (batch_id)
GROUP BY batch_id
