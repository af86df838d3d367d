-- The first day up to $day on which each feature's health was assessed, and whether the feature was in trouble on it.
SELECT
    feature,
    min(event_date) AS first_day,
    arg_min(state IN ('at_risk', 'degraded'), event_date) AS was_in_trouble
FROM metrics.feature_health
WHERE state <> 'unknown' AND event_date <= $day
GROUP BY feature
ORDER BY feature
