-- How features stood in a period, or one of them: those that were degraded the longest come first.
SELECT
    feature, CAST($first AS DATE) AS first_day, CAST($last AS DATE) AS last_day, count(*) AS days,
    count(*) FILTER (state = 'healthy') AS healthy_days,
    count(*) FILTER (state = 'degraded') AS degraded_days,
    count(*) FILTER (state = 'at_risk') AS at_risk_days,
    min(event_date) FILTER (state IN ('degraded', 'at_risk')) AS trouble_from,
    max(event_date) FILTER (state IN ('degraded', 'at_risk')) AS trouble_until,
    arg_max(state, event_date) AS state, arg_max(since, event_date) AS since, arg_max(reason, event_date) AS reason
FROM metrics.feature_health
WHERE event_date BETWEEN $first AND $last AND ($feature = '' OR feature = $feature)
GROUP BY feature
ORDER BY degraded_days DESC, sum(greatest(excess_bad_events, 0)) DESC, at_risk_days DESC, feature
