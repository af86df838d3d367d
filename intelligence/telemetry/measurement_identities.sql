-- About how many users, sessions and moments the events of the days [$start, $end) have, by source, platform and release.
-- Every fourth moment is counted exactly: four times as many stray by the square root of three over their number, and what
-- approx_count_distinct says of them by an eighth.
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
