-- What was done, and what came of it, as far as it was measured; the feature's own where one is asked for.
SELECT
    done.planned_at, done.action_id, done.day, done.kind, done.target, done.feature, done.title, done.standing, done.reason,
    came.verdict, came.metric, came.effect, came.effect_low, came.effect_high, came.reason AS outcome
FROM actions.action_log AS done
LEFT JOIN actions.outcomes AS came ON done.action_id = came.action_id
WHERE
    ($feature = '' OR done.feature = $feature)
    AND done.day > (SELECT max(event_date) FROM decisions.feature_decisions) - CAST($days AS INTEGER)
ORDER BY done.planned_at DESC, done.action_id
