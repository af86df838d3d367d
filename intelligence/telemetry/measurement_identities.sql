-- Approximate numbers of users, sessions and moments of the events of the days [$start, $end), by source, platform and release.
-- Moments are counted exactly in a sample of a fourth: the relative standard error of n moments is sqrt(3 / n), while
-- that of approx_count_distinct is an eighth.
SELECT
    event_date,
    source,
    platform,
    app_version,
    count(*) AS events,
    approx_count_distinct(user_id) AS users,
    approx_count_distinct(session_id) AS sessions,
    4 * count(DISTINCT event_time) FILTER (hash(event_time) % 4 = 0) AS moments
FROM telemetry.events
WHERE event_date >= $start AND event_date < $end
GROUP BY ALL
