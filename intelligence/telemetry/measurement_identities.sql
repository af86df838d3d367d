-- About how many users, sessions and moments the events of the days [$start, $end) have, by source, platform and release.
SELECT
    event_date,
    source,
    platform,
    app_version,
    count(*) AS events,
    approx_count_distinct(user_id) AS users,
    approx_count_distinct(session_id) AS sessions,
    approx_count_distinct(event_time) AS moments
FROM telemetry.events
WHERE event_date >= $start AND event_date < $end
GROUP BY ALL
