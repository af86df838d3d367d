-- The newest day with figures, the verdict on its telemetry, and on how many sound days before it what is usual could be learnt.
WITH newest AS (SELECT max(event_date) AS event_date FROM metrics.kpi_day)
SELECT newest.event_date, quality.verdict, quality.reason, coalesce(before.days, 0) AS days_before
FROM newest
LEFT JOIN telemetry.day_quality AS quality USING (event_date)
LEFT JOIN (
    SELECT count(*) AS days FROM telemetry.day_quality
    WHERE verdict IN ('whole', 'unknown') AND event_date < (SELECT event_date FROM newest)
) AS before ON true
WHERE newest.event_date IS NOT NULL
