-- Trainings of the risk models on the days $first to $last.
SELECT
    as_of AS day,
    CAST(NULL AS VARCHAR) AS feature,
    model || ' trained' || CASE WHEN is_promoted THEN ', a new champion' ELSE ', the champion stays' END AS text
FROM (
    SELECT 'feature_risk' AS model, as_of, is_promoted, challenger FROM risk.feature_verdict
    UNION ALL
    SELECT 'user_churn', as_of, is_promoted, challenger FROM risk.user_verdict
)
WHERE as_of >= $first AND as_of <= $last
ORDER BY as_of, model, challenger
