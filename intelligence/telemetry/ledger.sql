-- One ledger row per delivery. The rows in are counted in what was read, the accepted and rejected ones in what was written.
INSERT INTO telemetry.batches BY NAME
WITH unreadable AS (SELECT __file AS file_key, count(*) AS unreadable_rows FROM unread GROUP BY ALL),
refused AS (
    SELECT batch_id, count(*) AS rejected
    FROM telemetry.rejected_events
    SEMI JOIN deliveries USING (batch_id)
    GROUP BY batch_id
)
SELECT
    batch_id,
    $source AS source,
    source_file,
    bytes,
    $columns AS columns,
    coalesce(readable_rows, 0) + coalesce(unreadable_rows, 0) AS rows_in,
    coalesce(accepted, 0) AS accepted,
    coalesce(duplicates, 0) AS duplicates,
    coalesce(conflicts, 0) AS conflicts,
    coalesce(rejected, 0) AS rejected,
    CASE WHEN $of_answers THEN [] ELSE coalesce(days, []) END AS days,
    $ingested_at AS ingested_at,
    names,
    $of_aliases AS of_aliases,
    CASE WHEN $of_answers THEN coalesce(days, []) END AS answer_days
FROM deliveries
LEFT JOIN readable USING (file_key)
LEFT JOIN unreadable USING (file_key)
LEFT JOIN stored USING (batch_id)
LEFT JOIN refused USING (batch_id)
