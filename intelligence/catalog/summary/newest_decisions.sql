SELECT decided.* FROM decisions.feature_decisions AS decided
LEFT JOIN warehouse.dim_feature_metadata AS known USING (feature)
WHERE event_date = (SELECT max(event_date) FROM decisions.feature_decisions) ORDER BY known.tier, score DESC, feature
