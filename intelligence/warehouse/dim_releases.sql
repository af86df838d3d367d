-- The releases known so far, updated with the days [$start, $end).
SELECT
    app_version,
    coalesce(platform, 'unknown') AS platform,
    min(first_seen_at) AS first_seen_at,
    max(last_seen_at) AS last_seen_at
FROM (
    SELECT app_version, platform, first_seen_at, last_seen_at FROM warehouse.dim_releases
    UNION ALL
    SELECT app_version, platform, min(event_time), max(event_time)
    FROM telemetry.events
    WHERE event_date >= $start AND event_date < $end AND app_version IS NOT NULL
    GROUP BY app_version, platform
)
GROUP BY ALL
