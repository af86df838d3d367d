SELECT event_date, feature, risk_score, risk_low, risk_high, risk_bucket, impact_score, model_version,
       concat_ws('; ', reason_1, reason_2) AS why
FROM risk.feature_risk WHERE event_date = (SELECT max(event_date) FROM risk.feature_risk)
ORDER BY risk_score DESC, feature LIMIT $most
