SELECT
    event_id,
    event_date,
    event_time,
    user_id,
    session_id,
    feature,
    event_type,
    latency_ms,
    coalesce(error_count, 0) AS error_count,
    coalesce(crashed, false) AS crashed,
    rating,
    duration_s,
    value,
    platform,
    app_version,
    region,
    -- In kpi_day the segment 'all' means all users.
    CASE WHEN segment = 'all' THEN 'segment all' ELSE coalesce(segment, 'unknown') END AS segment,
    experiment,
    variant,
    source
FROM (
    SELECT * FROM telemetry.events WHERE session_id IS NOT NULL
    UNION ALL BY NAME
    FROM warehouse.fact_visit_events
)
-- Excludes the events of bots; where there are none, the join costs nothing.
ANTI JOIN (SELECT user_id FROM warehouse.dim_users WHERE is_bot) AS bots USING (user_id)
