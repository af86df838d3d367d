-- In the order of days, so that the files' statistics tell them apart.
SELECT
    event_date,
    user_id,
    session_id,
    min(event_time) AS started_at,
    max(event_time) AS ended_at,
    CAST(epoch(max(event_time) - min(event_time)) AS DOUBLE) AS duration_s,
    count(*) AS events,
    count(DISTINCT feature) AS features,
    CAST(sum(error_count) AS BIGINT) AS errors,
    bool_or(crashed) AS crashed,
    bool_or(list_contains($conversion_events, event_type)) AS converted,
    min(segment) AS segment,
    min(platform) AS platform,
    min(app_version) AS app_version
FROM warehouse.fact_events
WHERE event_date >= $start AND event_date < $end
GROUP BY event_date, user_id, session_id
ORDER BY event_date
