SELECT * FROM actions.action_log WHERE day >= (SELECT max(event_date) FROM decisions.feature_decisions) - 7
ORDER BY planned_at DESC, action_id LIMIT 12
