-- When the first telemetry of each day was taken in.
SELECT day, min(ingested_at) FROM (SELECT unnest(days) AS day, ingested_at FROM telemetry.batches) GROUP BY day
