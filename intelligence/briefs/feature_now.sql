-- A feature on the newest day with figures: its state, why, who owns it and how likely it is to degrade.
SELECT
    health.event_date, known.feature, health.state, health.since, health.reason, health.evidence, health.worst_objective, health.burn_1d,
    health.users, known.owner, known.tier, risks.risk_score, risks.risk_low, risks.risk_high,
    concat_ws('; ', risks.reason_1, risks.reason_2) AS risk_reason
FROM warehouse.dim_feature_metadata AS known
LEFT JOIN metrics.feature_health AS health
    ON known.feature = health.feature AND health.event_date = (SELECT max(event_date) FROM metrics.feature_health)
LEFT JOIN risk.feature_risk AS risks ON known.feature = risks.feature AND risks.event_date = health.event_date
WHERE known.feature = $feature
