-- How many features are only watched on the newest day.
SELECT event_date, count(*) AS features
FROM decisions.feature_decisions
WHERE event_date = (SELECT max(event_date) FROM metrics.feature_health) AND action = 'monitor' AND scope = 'feature'
GROUP BY event_date
