-- Each segment over the last 28 days, by day, so that its KPIs get an interval by the spread between its days.
SELECT segment, event_date, dau, conversion_rate, crash_free_user_rate, mean_rating, sessions_per_user
FROM metrics.kpi_day
WHERE event_date > (SELECT max(event_date) FROM metrics.kpi_day) - 28
ORDER BY segment, event_date
