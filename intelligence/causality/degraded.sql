-- The features that are degraded on a day, with the objective that burnt fastest when a promise was last broken, and the first day of
-- the state: on a day that is calm already no promise is at fault.
SELECT
    today.feature,
    coalesce(
        arg_max(past.worst_objective, past.event_date) FILTER (past.calm_days = 0 AND past.worst_objective IS NOT NULL),
        any_value(today.worst_objective)
    ) AS worst_objective,
    any_value(today.since) AS since
FROM metrics.feature_health AS today
INNER JOIN metrics.feature_health AS past
    ON today.feature = past.feature AND past.event_date BETWEEN greatest(today.since, today.event_date - 35) AND today.event_date
WHERE today.event_date = $day AND today.state = 'degraded'
GROUP BY today.feature
ORDER BY any_value(today.excess_bad_events) DESC, today.feature
