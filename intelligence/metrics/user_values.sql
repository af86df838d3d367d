-- What each user did in the $window_days days up to and with $day: the values of the registry of metrics, and the segment that the
-- user was last seen in.
SELECT
    user_id,
    arg_max(segment, event_date) AS segment,
    count(*) AS active_days,
    sum(events) AS events,
    sum(sessions) AS sessions,
    CAST(sum(CAST(duration_s AS DECIMAL(38, 3))) AS DOUBLE) AS duration_s,
    sum(errors) AS errors,
    count(*) FILTER (crashed_events > 0) AS crashed_days,
    count(*) - count(*) FILTER (crashed_events > 0) AS crash_free_days,
    count(*) FILTER (conversions > 0) AS converted_days,
    CAST(count(*) FILTER (conversions > 0) > 0 AS INTEGER) AS has_converted,
    sum(ratings) AS ratings,
    CAST(sum(CAST(rating_sum AS DECIMAL(38, 6))) AS DOUBLE) AS rating_sum,
    CAST(sum(CAST(value AS DECIMAL(38, 6))) AS DOUBLE) AS value,
    CAST(sum(features) AS BIGINT) AS features,
    sum(conversions) AS conversions
FROM metrics.user_day
WHERE event_date > $day - $window_days AND event_date <= $day
GROUP BY user_id
ORDER BY user_id
