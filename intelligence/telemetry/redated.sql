-- All events in the lake dated by another clock, and the days in the ledger with them.
UPDATE telemetry.raw_events SET event_date = CAST(local_time(event_time) AS DATE)
WHERE event_date <> CAST(local_time(event_time) AS DATE);

UPDATE telemetry.batches SET days = dated.days
FROM (
    SELECT batch_id, list(DISTINCT event_date ORDER BY event_date) AS days
    FROM telemetry.raw_events
    WHERE NOT is_duplicate
    GROUP BY batch_id
) AS dated
WHERE batches.batch_id = dated.batch_id
