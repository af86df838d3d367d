-- The days that the lake has figures of, and the newest events that it took in.
SELECT
    (SELECT min(event_date) FROM metrics.kpi_day) AS first_day,
    (SELECT max(event_date) FROM metrics.kpi_day) AS day,
    (
        SELECT arg_max(verdict, event_date)
        FROM telemetry.day_quality
        WHERE event_date = (SELECT max(event_date) FROM metrics.kpi_day)
    ) AS verdict,
    (SELECT max(last_day) FROM (SELECT list_max(days) AS last_day FROM telemetry.batches WHERE withdrawn_at IS NULL)) AS delivered_day,
    (SELECT max(ingested_at) FROM telemetry.batches) AS taken_in_at
