-- The days of the last seven whose telemetry is at fault.
SELECT event_date, verdict, reason
FROM telemetry.day_quality
WHERE verdict IN ('partial', 'empty') AND event_date > (SELECT max(event_date) FROM metrics.feature_health) - 7
    AND event_date <= (SELECT max(event_date) FROM metrics.feature_health)
ORDER BY event_date
