-- The features that were degraded on any of the last seven days, those with the most bad events beyond their promise first.
WITH newest AS (SELECT max(event_date) AS day FROM metrics.feature_health),
week AS (
    SELECT health.* FROM metrics.feature_health AS health, newest
    WHERE health.event_date > newest.day - 7 AND health.event_date <= newest.day
)
SELECT
    feature,
    min(event_date) FILTER (state = 'degraded') AS first_day,
    max(event_date) FILTER (state = 'degraded') AS last_day,
    count(*) FILTER (state = 'degraded') AS days,
    arg_max(state, event_date) AS state,
    sum(greatest(excess_bad_events, 0)) FILTER (state = 'degraded') AS excess
FROM week
GROUP BY feature
HAVING count(*) FILTER (state = 'degraded') > 0
ORDER BY excess DESC NULLS LAST, feature
