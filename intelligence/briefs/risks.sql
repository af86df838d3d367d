-- The healthy features that are the likeliest to degrade, on the newest day that was scored.
SELECT event_date, feature, risk_score, risk_low, risk_high, concat_ws('; ', reason_1, reason_2) AS why
FROM risk.feature_risk
WHERE event_date = (SELECT max(event_date) FROM metrics.feature_health) AND risk_score IS NOT NULL
ORDER BY risk_score DESC, feature
LIMIT 3
