-- The metrics and the health of features day by day, with what they promise.
SELECT
    metric.*, health.state, health.evidence, health.reason, health.worst_objective, health.burn_1d, health.burn_3d,
    health.burn_28d, health.harmed_users, health.judged_users, known.max_error_rate, known.max_crash_rate,
    known.slow_latency_ms, known.max_slow_rate, known.max_bad_rating_rate, known.max_bad_answer_rate
FROM metrics.fact_feature_metrics AS metric
LEFT JOIN metrics.feature_health AS health ON metric.event_date = health.event_date AND metric.feature = health.feature
LEFT JOIN warehouse.dim_feature_metadata AS known ON metric.feature = known.feature
WHERE
    list_contains($names, metric.feature)
    AND metric.event_date > (SELECT max(event_date) FROM metrics.kpi_day) - CAST($days AS INTEGER)
ORDER BY metric.event_date, metric.feature
