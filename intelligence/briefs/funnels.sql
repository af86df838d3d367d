-- The steps of all funnels by day of entry, in the last thirteen weeks.
SELECT * FROM metrics.funnel_day
WHERE event_date > (SELECT max(event_date) FROM metrics.funnel_entries) - 91
ORDER BY event_date, funnel, step, dimension, value
