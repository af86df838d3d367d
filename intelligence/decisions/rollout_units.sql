-- What each unit of a rollout did on the days [$start, $end) of a step, from the day on which it was first seen in it. A unit that
-- was seen in both variants on these days has two of them.
WITH marked AS (
    SELECT
        user_id,
        min(variant) AS variant,
        count(DISTINCT variant) AS variants,
        min(event_date) AS exposed_on
    FROM warehouse.fact_events
    WHERE event_date >= $start AND event_date < $end AND experiment = $experiment AND variant IS NOT NULL
    GROUP BY user_id
),
days AS (
    SELECT
        user_id,
        count(*) AS active_days,
        sum(events) AS events,
        sum(sessions) AS sessions,
        sum(duration_s) AS duration_s,
        sum(errors) AS errors,
        count(*) FILTER (crashed_events > 0) AS crashed_days,
        count(*) - count(*) FILTER (crashed_events > 0) AS crash_free_days,
        count(*) FILTER (conversions > 0) AS converted_days,
        CAST(count(*) FILTER (conversions > 0) > 0 AS INTEGER) AS has_converted,
        sum(ratings) AS ratings,
        sum(rating_sum) AS rating_sum,
        sum(value) AS value
    FROM metrics.user_day
    INNER JOIN marked USING (user_id)
    WHERE event_date >= exposed_on AND event_date < $end
    GROUP BY user_id
),
uses AS (
    SELECT
        user_id,
        count(*) AS feature_events,
        count(*) FILTER (list_contains($conversion_events, event_type)) AS feature_conversions,
        count(*) FILTER (error_count > 0 OR crashed) AS feature_failed_events,
        count(*) FILTER (crashed) AS feature_crashed_events,
        coalesce(sum(CAST(latency_ms AS DECIMAL(18, 3))), 0) AS feature_latency_sum,
        count(latency_ms) AS feature_timed_events
    FROM warehouse.fact_events AS event
    INNER JOIN marked USING (user_id)
    WHERE event.event_date >= exposed_on AND event.event_date < $end AND event.feature = $feature
    GROUP BY user_id
),
answered AS (
    SELECT
        user_id,
        count(*) FILTER (is_scored) AS scored_answers,
        count(*) FILTER (is_bad) AS bad_answers,
        count(refusal) AS readable_answers,
        count(*) FILTER (refusal) AS refused_answers,
        sum(fact_answers.ratings) AS answer_ratings,
        sum(good_ratings) AS good_answer_ratings
    FROM warehouse.fact_answers
    INNER JOIN marked USING (user_id)
    WHERE event_date >= exposed_on AND event_date < $end AND feature = $feature
    GROUP BY user_id
)
SELECT
    user_id,
    variant,
    variants,
    exposed_on,
    CAST(coalesce(COLUMNS(days.* EXCLUDE (user_id)), 0) AS DOUBLE),
    CAST(coalesce(COLUMNS(uses.* EXCLUDE (user_id)), 0) AS DOUBLE),
    CAST(coalesce(COLUMNS(answered.* EXCLUDE (user_id)), 0) AS DOUBLE)
FROM marked
LEFT JOIN days USING (user_id)
LEFT JOIN uses USING (user_id)
LEFT JOIN answered USING (user_id)
ORDER BY user_id
