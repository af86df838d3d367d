-- The days of a period whose telemetry is at fault.
SELECT event_date, verdict, reason
FROM telemetry.day_quality WHERE verdict IN ('partial', 'empty') AND event_date BETWEEN $first AND $last
ORDER BY event_date
