-- The features that are degraded on a day, with the objective that burns fastest and the first day of the state.
SELECT feature, worst_objective, since
FROM metrics.feature_health
WHERE event_date = $day AND state = 'degraded'
ORDER BY excess_bad_events DESC, feature
