-- Events of the days [$start, $end) by region.
SELECT event_date, region, count(*) AS events
FROM telemetry.events
WHERE event_date >= $start AND event_date < $end
GROUP BY ALL
