-- Events per day and hour of the days [$start, $end), and how many of them fill each optional column.
SELECT
    event_date,
    hour(event_time) AS hour,
    count(*) AS events,
    count(session_id) AS session_id,
    count(latency_ms) AS latency_ms,
    count(error_count) AS error_count,
    count(crashed) AS crashed,
    count(rating) AS rating,
    count(duration_s) AS duration_s,
    count(platform) AS platform,
    count(app_version) AS app_version
FROM telemetry.events
WHERE event_date >= $start AND event_date < $end
GROUP BY ALL
