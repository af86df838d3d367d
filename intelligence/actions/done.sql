-- Actions on features that were carried out, with the objective for which they were decided.
SELECT log.*, json_extract_string(decisions.evidence, '$.worst_objective') AS objective
FROM actions.action_log AS log LEFT JOIN decisions.feature_decisions AS decisions USING (decision_id)
WHERE log.standing IN ('confirmed', 'undone', 'unconfirmed') AND log.feature IS NOT NULL ORDER BY log.planned_at, log.action_id
