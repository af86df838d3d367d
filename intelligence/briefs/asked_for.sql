-- The actions of the last seven days, with what came of them.
SELECT log.action_id, log.decision_id, log.day, log.kind, log.target, log.feature, log.title, log.standing, log.reason, came.verdict,
       came.reason AS came_of_it
FROM actions.action_log AS log
LEFT JOIN actions.outcomes AS came USING (action_id)
WHERE log.day > (SELECT max(event_date) FROM metrics.feature_health) - 7
ORDER BY log.planned_at DESC, log.action_id
