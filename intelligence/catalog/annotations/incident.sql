-- Features that became degraded on the days $first to $last.
SELECT event_date AS day, feature, feature || ' degraded: ' || reason AS text
FROM metrics.feature_health
WHERE event_date >= $first AND event_date <= $last AND state = 'degraded' AND since = event_date
ORDER BY event_date, feature
