-- Events and what went wrong in them on the days $first_day to $last_day by user and by everything that a change may lie in;
-- of the $features only, where they are given.
SELECT
    event_date,
    user_id,
    segment,
    platform,
    app_version AS release,
    region,
    feature,
    experiment || ': ' || variant AS variant,
    count(*) AS events,
    count(*) FILTER (error_count > 0 OR crashed) AS failed_events,
    count(*) FILTER (crashed) AS crashed_events,
    count(latency_ms) AS timed_events,
    count(*) FILTER (latency_ms > slow_latency_ms) AS slow_events,
    count(rating) AS ratings,
    count(*) FILTER (rating <= 2) AS bad_ratings
FROM warehouse.fact_events INNER JOIN warehouse.dim_feature_metadata USING (feature)
WHERE event_date >= $first_day AND event_date <= $last_day
    AND ($features IS NULL OR list_contains(CAST($features AS VARCHAR[]), feature))
GROUP BY ALL
ORDER BY ALL
