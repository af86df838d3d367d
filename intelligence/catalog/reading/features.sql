-- Every feature on the newest day with its health, and what the risk model expects of it; the newest 28 days of its burn for a
-- sparkline: bad events of three days as a multiple of what is promised.
WITH newest AS (SELECT max(event_date) AS event_date FROM metrics.feature_health),
health AS (SELECT * FROM metrics.feature_health SEMI JOIN newest USING (event_date)),
risks AS (SELECT * FROM risk.feature_risk WHERE event_date = (SELECT max(event_date) FROM risk.feature_risk)),
lines AS (
    SELECT feature, list(coalesce(round(burn_3d, 3), 0) ORDER BY event_date) AS burn_28_days
    FROM metrics.feature_health
    WHERE event_date > (SELECT event_date FROM newest) - 28
    GROUP BY feature
)
SELECT
    known.feature, health.state, health.since, health.evidence, health.reason, health.worst_objective, health.burn_1d,
    health.burn_3d, health.excess_bad_events, health.users, health.reach_28d, health.stage, known.owner, known.tier,
    known.flag_key, known.lifecycle, risks.event_date AS scored_on, risks.risk_score, risks.risk_low, risks.risk_high,
    risks.risk_bucket, risks.users_7d, risks.impact_score, risks.impact_low, risks.impact_high,
    risks.reason_1, risks.reason_2, risks.reason_3, risks.model_version, lines.burn_28_days
FROM warehouse.dim_feature_metadata AS known
LEFT JOIN health ON known.feature = health.feature
LEFT JOIN risks ON known.feature = risks.feature
LEFT JOIN lines ON known.feature = lines.feature
ORDER BY risks.impact_score DESC NULLS LAST, health.users DESC NULLS LAST, known.feature
