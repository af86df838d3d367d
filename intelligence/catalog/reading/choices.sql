-- What a reader can choose from: features and segments, the most used first.
SELECT 'feature' AS kind, feature AS name, sum(users) AS users
FROM metrics.fact_feature_metrics
WHERE event_date > (SELECT max(event_date) FROM metrics.fact_feature_metrics) - 28
GROUP BY feature
UNION ALL
SELECT 'segment', segment, sum(dau)
FROM metrics.kpi_day
WHERE segment <> 'all' AND event_date > (SELECT max(event_date) FROM metrics.kpi_day) - 28
GROUP BY segment
ORDER BY kind, users DESC, name
