-- The verdict on the telemetry of a day.
SELECT event_date, events, verdict, reason FROM telemetry.day_quality WHERE event_date = $day
