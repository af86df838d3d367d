-- What was decided on the newest day other than to watch, the most worthwhile first, with who owns the feature.
SELECT
    decided.decision_id, decided.event_date, decided.scope, decided.feature, decided.action, coalesce(decided.level, 'no level') AS level,
    decided.confidence, decided.score, decided.benefit, decided.cost, decided.reasons, decided.why_not, decided.episode,
    decided.users_7d, known.owner
FROM decisions.feature_decisions AS decided
LEFT JOIN warehouse.dim_feature_metadata AS known USING (feature)
WHERE decided.event_date = (SELECT max(event_date) FROM metrics.feature_health) AND decided.action <> 'monitor'
ORDER BY decided.score DESC, decided.scope, decided.feature
