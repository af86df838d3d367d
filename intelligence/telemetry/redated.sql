-- Sets the day of all events in the lake by the product's new time zone, and the days in the ledger accordingly.
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
