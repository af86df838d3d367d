-- The units of an experiment that were seen in one variant: what they did in the days after their exposure and in as many before.
WITH exposed AS (
    SELECT user_id, arg_min(variant, exposed_at) AS variant, min(event_date) AS zero
    FROM experiments.fact_exposures
    WHERE experiment = $experiment AND event_date <= $day
    GROUP BY user_id
    HAVING count(*) = 1 AND min(event_date) BETWEEN $first_zero AND $last_zero
)
SELECT
    exposed.user_id,
    variant,
    arg_max(segment, event_date) FILTER (event_date <= zero) AS segment,
    count(*) FILTER (event_date < zero) AS active_days_before,
    coalesce(sum(events) FILTER (event_date < zero), 0)::DOUBLE AS events_before,
    coalesce(sum(sessions) FILTER (event_date < zero), 0)::DOUBLE AS sessions_before,
    coalesce(sum(features) FILTER (event_date < zero), 0)::DOUBLE AS features_before,
    coalesce(sum(errors) FILTER (event_date < zero), 0)::DOUBLE AS errors_before,
    count(*) FILTER (event_date < zero AND conversions > 0) AS converted_days_before,
    coalesce(zero - max(event_date) FILTER (event_date < zero), $days)::INTEGER AS idle_days_before,
    count(*) FILTER (event_date > zero) AS active_days,
    coalesce(sum(events) FILTER (event_date > zero), 0)::DOUBLE AS events,
    count(*) FILTER (event_date > zero AND conversions > 0) AS converted_days,
    coalesce(sum(errors) FILTER (event_date > zero), 0)::DOUBLE AS errors
FROM exposed
INNER JOIN metrics.user_day AS day ON exposed.user_id = day.user_id AND day.event_date BETWEEN zero - $days AND zero + $days
WHERE day.event_date BETWEEN $first_zero - $days AND $day
GROUP BY exposed.user_id, variant, zero
ORDER BY exposed.user_id
