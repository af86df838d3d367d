-- What became of the present deliveries, counted from the events as written.
CREATE OR REPLACE TEMP VIEW stored AS
SELECT
    batch_id,
    count(*) FILTER (NOT is_duplicate) AS accepted,
    count(*) FILTER (is_duplicate) AS duplicates,
    list_sort(list(DISTINCT event_date) FILTER (NOT is_duplicate)) AS days
FROM telemetry.raw_events
SEMI JOIN deliveries USING (batch_id)
WHERE event_date BETWEEN (SELECT min(event_date) FROM identified) AND (SELECT max(event_date) FROM identified)
GROUP BY batch_id
