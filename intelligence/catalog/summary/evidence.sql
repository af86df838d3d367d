SELECT evidence, count(*) AS features FROM metrics.feature_health
WHERE event_date = (SELECT max(event_date) FROM metrics.feature_health) GROUP BY evidence
