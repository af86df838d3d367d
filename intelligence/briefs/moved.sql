-- Where the change of each degraded feature lies, on the newest day with figures.
SELECT event_date, feature, metric, since, before, after, change, low, high, suspect, accounts_for, rate, elsewhere, grade
FROM causality.degradations
WHERE event_date = (SELECT max(event_date) FROM metrics.feature_health)
ORDER BY feature
