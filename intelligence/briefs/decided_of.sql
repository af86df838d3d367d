-- The newest decision about a feature.
SELECT decision_id, event_date, scope, feature, action, coalesce(level, 'no level') AS level, confidence, score, reasons
FROM decisions.feature_decisions
WHERE feature = $feature
ORDER BY event_date DESC, score DESC
LIMIT 1
