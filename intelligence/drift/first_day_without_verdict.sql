-- The first day from $first on that has distances but no verdict.
SELECT min(event_date) AS day
FROM (
    SELECT event_date, 'feature_risk' AS model, model_version FROM drift.feature_drift
    UNION
    SELECT event_date, 'user_churn', model_version FROM drift.user_drift
)
ANTI JOIN (FROM drift.model_watch WHERE state <> 'unknown') USING (event_date, model, model_version)
WHERE event_date >= $first
