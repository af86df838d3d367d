-- The decisions of the last days other than to monitor; of one feature, where it is asked for, its newest one in any case.
SELECT
    event_date, decision_id, scope, feature, action, level, confidence, score, benefit, cost, reasons, why_not, lowered_by,
    missing, candidates, flag_key, exposure, users_7d, model_version, policy_version, lake_snapshot
FROM decisions.feature_decisions
WHERE
    ($feature = '' OR feature = $feature)
    AND event_date > (SELECT max(event_date) FROM decisions.feature_decisions) - CAST($days AS INTEGER)
    AND (
        action <> 'monitor'
        OR ($feature <> '' AND event_date = (SELECT max(event_date) FROM decisions.feature_decisions))
    )
ORDER BY event_date DESC, score DESC NULLS LAST, feature
