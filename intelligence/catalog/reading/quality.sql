-- The telemetry of each of the last days: how many events came, how many were expected, and whether the day is whole.
SELECT event_date, events, expected_events, volume_ratio, verdict, reason
FROM telemetry.day_quality
WHERE event_date > (SELECT max(event_date) FROM telemetry.day_quality) - CAST($days AS INTEGER)
ORDER BY event_date
