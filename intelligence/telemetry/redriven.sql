-- One ledger row per batch whose quarantined rows were validated again: its rows in are those that are accepted now.
INSERT INTO telemetry.batches BY NAME
WITH passed AS (SELECT file_key, count(*) AS rows_in FROM judged WHERE broken IS NULL GROUP BY file_key)
SELECT
    batch_id,
    $source AS source,
    'quarantine of ' || source_file AS source_file,
    0 AS bytes,
    $columns AS columns,
    rows_in,
    coalesce(accepted, 0) AS accepted,
    coalesce(duplicates, 0) AS duplicates,
    coalesce(conflicts, 0) AS conflicts,
    0 AS rejected,
    CASE WHEN $of_answers THEN [] ELSE coalesce(days, []) END AS days,
    $ingested_at AS ingested_at,
    $of_aliases AS of_aliases,
    CASE WHEN $of_answers THEN coalesce(days, []) END AS answer_days
FROM deliveries
INNER JOIN passed USING (file_key)
LEFT JOIN stored USING (batch_id)
