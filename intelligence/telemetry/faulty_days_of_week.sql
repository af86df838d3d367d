SELECT event_date, reason FROM telemetry.day_quality
WHERE event_date BETWEEN $day - 6 AND $day AND verdict IN ('partial', 'empty') ORDER BY event_date
