-- The KPIs of the product or of a segment, day by day.
SELECT
    event_date, segment, dau, wau, mau, stickiness, events, sessions, sessions_per_user, converted_users, conversion_rate,
    crash_free_user_rate, ratings, mean_rating, value
FROM metrics.kpi_day
WHERE segment = $segment AND event_date > (SELECT max(event_date) FROM metrics.kpi_day) - CAST($days AS INTEGER)
ORDER BY event_date
