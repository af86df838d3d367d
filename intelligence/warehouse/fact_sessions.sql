WITH touched AS (
    SELECT
        event_date,
        user_id,
        session_id,
        feature,
        min(event_time) AS started_at,
        max(event_time) AS ended_at,
        count(*) AS events,
        sum(error_count) AS errors,
        bool_or(crashed) AS crashed,
        bool_or(list_contains($conversion_events, event_type)) AS converted,
        min(segment) AS segment,
        min(platform) AS platform,
        min(app_version) AS app_version
    FROM warehouse.fact_events
    WHERE event_date >= $start AND event_date < $end
    GROUP BY event_date, user_id, session_id, feature
)
SELECT
    event_date,
    user_id,
    session_id,
    min(started_at) AS started_at,
    max(ended_at) AS ended_at,
    CAST(epoch(max(ended_at) - min(started_at)) AS DOUBLE) AS duration_s,
    CAST(sum(events) AS BIGINT) AS events,
    count(*) AS features,
    CAST(sum(errors) AS BIGINT) AS errors,
    bool_or(crashed) AS crashed,
    bool_or(converted) AS converted,
    min(segment) AS segment,
    min(platform) AS platform,
    min(app_version) AS app_version
FROM touched
GROUP BY event_date, user_id, session_id
