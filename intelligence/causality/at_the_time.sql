-- What happened on the days $first_day to $last_day: releases, faults of the pipeline, features that changed their state,
-- experiments, and actions of the platform before the day $actions_before. Without a feature it concerns the whole product.
SELECT
    CAST(local_time(first_seen_at) AS DATE) AS day,
    'release' AS kind,
    CAST(NULL AS VARCHAR) AS feature,
    'release ' || app_version || ' on ' || platform AS what
FROM warehouse.dim_releases
WHERE CAST(local_time(first_seen_at) AS DATE) >= $first_day AND CAST(local_time(first_seen_at) AS DATE) <= $last_day
UNION ALL
SELECT event_date, 'incident', NULL, 'the telemetry is ' || verdict || ': ' || reason
FROM telemetry.day_quality
WHERE event_date >= $first_day AND event_date <= $last_day AND verdict IN ('partial', 'empty')
UNION ALL
SELECT event_date, 'incident', feature, feature || ' is ' || replace(state, '_', ' ') || ' from this day on: ' || reason
FROM metrics.feature_health
WHERE event_date >= $first_day AND event_date <= $last_day AND since = event_date AND state IN ('at_risk', 'degraded')
UNION ALL
SELECT
    first_seen,
    'experiment',
    NULL,
    'experiment ' || experiment || CASE
        WHEN first_seen > $first_day AND last_seen < $last_day THEN ' begins, and ends on ' || last_seen
        WHEN first_seen > $first_day THEN ' begins'
        WHEN last_seen < $last_day THEN ' ends on ' || last_seen
        ELSE ' runs on all of the days'
    END
FROM (
    SELECT experiment, min(event_date) AS first_seen, max(event_date) AS last_seen
    FROM warehouse.fact_events
    WHERE event_date >= $first_day AND event_date <= $last_day AND experiment IS NOT NULL
    GROUP BY experiment
)
UNION ALL
SELECT day, 'action', feature, title || ' (' || standing || ')'
FROM actions.action_log
WHERE day >= $first_day AND day <= $last_day AND day < $actions_before
ORDER BY day, kind, feature, what
