SELECT event_date, verdict, reason FROM telemetry.day_quality WHERE verdict IN ('partial', 'empty') ORDER BY event_date
