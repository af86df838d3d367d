-- When the first telemetry of each day was ingested.
SELECT day, min(ingested_at) FROM (SELECT unnest(days) AS day, ingested_at FROM telemetry.batches) GROUP BY day
