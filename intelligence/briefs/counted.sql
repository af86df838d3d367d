-- How many features were assessed on the newest day, and how many of them keep their promises.
SELECT event_date, count(*) AS features, count(*) FILTER (evidence = 'enough') AS assessed,
       count(*) FILTER (state IN ('degraded', 'at_risk')) AS in_trouble
FROM metrics.feature_health
WHERE event_date = (SELECT max(event_date) FROM metrics.feature_health)
GROUP BY event_date
