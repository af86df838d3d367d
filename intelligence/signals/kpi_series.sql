-- What the series of the product by segment are computed from.
SELECT
    event_date, segment, dau, sessions, sessions_per_user, session_depth, crashed_users, converted_users, ratings,
    mean_rating, value
FROM metrics.kpi_day
WHERE event_date >= $start AND event_date < $end
ORDER BY event_date, segment
