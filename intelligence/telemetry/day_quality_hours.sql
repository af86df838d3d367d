-- Events per day and hour of the days [$start, $end), and how many of them have a value in each optional column;
-- for measurements also the least and the greatest value, which are equal where the measurement does not vary.
SELECT
    event_date,
    hour(local_time(event_time)) AS hour,
    count(*) AS events,
    count(session_id) AS session_id,
    count(latency_ms) AS latency_ms,
    count(error_count) AS error_count,
    count(crashed) AS crashed,
    count(rating) AS rating,
    count(duration_s) AS duration_s,
    count(platform) AS platform,
    count(app_version) AS app_version,
    min(latency_ms) AS least_latency_ms,
    max(latency_ms) AS most_latency_ms,
    min(duration_s) AS least_duration_s,
    max(duration_s) AS most_duration_s
FROM telemetry.events
WHERE event_date >= $start AND event_date < $end
GROUP BY ALL
