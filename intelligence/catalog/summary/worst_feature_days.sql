SELECT event_date, feature, excess_bad_events, worst_objective, burn_1d, state, reason
FROM metrics.feature_health WHERE evidence = 'enough' AND excess_bad_events >= 1
ORDER BY excess_bad_events DESC, event_date, feature LIMIT $most
