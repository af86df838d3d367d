-- How far each predictor of a champion has moved from its training data, as a share of the distance that asks for a look.
SELECT 'feature_risk' AS model, event_date, predictor, importance, distance, "limit", distance / nullif("limit", 0) AS of_limit, is_moved
FROM drift.feature_drift
WHERE event_date = (SELECT max(event_date) FROM drift.feature_drift)
UNION ALL
SELECT 'user_churn', event_date, predictor, importance, distance, "limit", distance / nullif("limit", 0), is_moved
FROM drift.user_drift
WHERE event_date = (SELECT max(event_date) FROM drift.user_drift)
ORDER BY of_limit DESC NULLS LAST, predictor
