-- Counts again the ledger's batches with rows that are marked differently now. `$days` stands for the days with such rows.
UPDATE telemetry.batches SET
    accepted = batches.accepted - gone,
    duplicates = batches.duplicates + gone,
    conflicts = coalesce(batches.conflicts, 0) + disputed,
    days = list_sort(list_concat(list_filter(batches.days, lambda day: NOT list_contains(looked_at, day)), still_there))
FROM (
    SELECT
        batch_id,
        CAST(sum(gone) AS BIGINT) AS gone,
        CAST(sum(disputed) AS BIGINT) AS disputed,
        list(event_date) AS looked_at,
        coalesce(list(event_date) FILTER (counted > 0), []) AS still_there
    FROM (
        SELECT
            batch_id,
            event_date,
            sum(CAST(is_duplicate AS INTEGER) - CAST(was_duplicate AS INTEGER)) AS gone,
            sum(CAST(is_conflict AS INTEGER) - CAST(was_conflict AS INTEGER)) AS disputed
        FROM changed
        GROUP BY batch_id, event_date
    )
    LEFT JOIN (
        SELECT batch_id, event_date, count(*) AS counted
        FROM telemetry.raw_events
        WHERE NOT is_duplicate AND event_date IN ($days)
        GROUP BY batch_id, event_date
    ) USING (batch_id, event_date)
    GROUP BY batch_id
) AS recounted
WHERE batches.batch_id = recounted.batch_id
