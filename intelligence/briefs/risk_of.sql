-- How likely a feature was to degrade on a day, or the features that were the likeliest.
SELECT event_date, feature, risk_score, risk_low, risk_high, concat_ws('; ', reason_1, reason_2) AS risk_reason
FROM risk.feature_risk
WHERE event_date = $day AND risk_score IS NOT NULL AND ($feature = '' OR feature = $feature)
ORDER BY risk_score DESC, feature
LIMIT 3
