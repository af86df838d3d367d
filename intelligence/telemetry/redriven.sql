-- One ledger row per batch whose rows were taken from quarantine: the rows in are those that pass now.
INSERT INTO telemetry.batches BY NAME
WITH passed AS (SELECT file_key, count(*) AS rows_in FROM judged GROUP BY file_key),
stored AS (
    SELECT
        batch_id,
        count(*) FILTER (NOT is_duplicate) AS accepted,
        count(*) FILTER (is_duplicate) AS duplicates,
        list_sort(list(DISTINCT event_date) FILTER (NOT is_duplicate)) AS days
    FROM telemetry.raw_events
    SEMI JOIN deliveries USING (batch_id)
    WHERE event_date BETWEEN (SELECT min(event_date) FROM identified) AND (SELECT max(event_date) FROM identified)
    GROUP BY batch_id
)
SELECT
    batch_id,
    $source AS source,
    'quarantine of ' || source_file AS source_file,
    0 AS bytes,
    $columns AS columns,
    rows_in,
    coalesce(accepted, 0) AS accepted,
    coalesce(duplicates, 0) AS duplicates,
    0 AS rejected,
    coalesce(days, []) AS days,
    $ingested_at AS ingested_at
FROM deliveries
INNER JOIN passed USING (file_key)
LEFT JOIN stored USING (batch_id)
