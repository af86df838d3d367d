-- The newest verdict of each training, and what became of the watched model on the newest day.
WITH verdicts AS (
    SELECT 'feature_risk' AS model, * FROM risk.feature_verdict
    UNION ALL BY NAME
    SELECT 'user_churn' AS model, * FROM risk.user_verdict
),
newest AS (
    SELECT * FROM verdicts QUALIFY row_number() OVER (PARTITION BY model ORDER BY as_of DESC, lake_snapshot DESC) = 1
),
watched AS (
    SELECT * FROM drift.model_watch WHERE event_date = (SELECT max(event_date) FROM drift.model_watch)
)
SELECT
    newest.model, newest.as_of AS trained_on, newest.challenger AS version, newest.kind, newest.decision, newest.is_promoted,
    newest.reason, newest.rows, newest.onsets, newest.pr_auc, newest.calibration_error, watched.event_date AS watched_on,
    watched.model_version AS watched_version, watched.state AS drift, watched.reason AS drift_reason,
    watched.expected_pr_auc, watched.expected_pr_auc_low, watched.expected_pr_auc_high
FROM newest LEFT JOIN watched ON newest.model = watched.model
ORDER BY newest.model
