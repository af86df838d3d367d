-- Use and failures of each feature by platform and release on the days [$start, $end).
SELECT
    event_date,
    feature,
    coalesce(platform, 'unknown') AS platform,
    app_version,
    count(*) AS events,
    count(*) FILTER (error_count > 0 OR crashed) AS failed_events
FROM warehouse.fact_events
WHERE event_date >= $start AND event_date < $end AND app_version IS NOT NULL
GROUP BY ALL
