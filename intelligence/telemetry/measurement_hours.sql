-- Events of the days [$start, $end) by source, platform, release and hour, and how many of them failed.
SELECT
    event_date,
    source,
    platform,
    app_version,
    hour(event_time) AS hour,
    count(*) AS events,
    count(*) FILTER (error_count > 0) AS failed,
    count(*) FILTER (crashed) AS crashes
FROM telemetry.events
WHERE event_date >= $start AND event_date < $end
GROUP BY ALL
