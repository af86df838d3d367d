SELECT event_date, feature FROM metrics.feature_health
WHERE state = 'degraded' AND evidence = 'enough' ORDER BY feature, event_date
