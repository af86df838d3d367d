-- One row per event of the days [$start, $end). Events without a session id get one: a visit of a user ends after
-- $session_gap_minutes of silence and at midnight UTC.
WITH loose AS (
    SELECT
        *,
        coalesce(event_time - lag(event_time) OVER visit > to_minutes($session_gap_minutes), true) AS opens_visit
    FROM telemetry.events
    WHERE event_date >= $start AND event_date < $end AND session_id IS NULL
    WINDOW visit AS (PARTITION BY event_date, user_id ORDER BY event_time, event_id)
),
visits AS (
    SELECT
        * EXCLUDE (opens_visit) REPLACE (
            concat(user_id, '@', event_date, '#', count(*) FILTER (opens_visit) OVER (
                PARTITION BY event_date, user_id ORDER BY event_time, event_id
            )) AS session_id
        )
    FROM loose
)
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
    -- 'all' names everybody in kpi_day.
    CASE WHEN segment = 'all' THEN 'segment all' ELSE coalesce(segment, 'unknown') END AS segment,
    experiment,
    variant
FROM (
    SELECT * FROM telemetry.events WHERE event_date >= $start AND event_date < $end AND session_id IS NOT NULL
    UNION ALL BY NAME
    SELECT * FROM visits
)
