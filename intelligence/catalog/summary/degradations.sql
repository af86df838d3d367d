SELECT feature, metric, answer, grade
FROM causality.degradations
WHERE event_date = (SELECT max(event_date) FROM metrics.feature_health)
ORDER BY feature
