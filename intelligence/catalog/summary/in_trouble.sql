SELECT feature, state, since, worst_objective, burn_1d, users, owner, tier, reason
FROM metrics.feature_health JOIN warehouse.dim_feature_metadata USING (feature)
WHERE event_date = (SELECT max(event_date) FROM metrics.feature_health) AND state IN ('degraded', 'at_risk')
ORDER BY state = 'at_risk', tier, excess_bad_events DESC, feature
