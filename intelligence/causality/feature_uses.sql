-- On which days each user of the sample used each feature, and on which of them the first use met an error: bit n is the n-th day
-- after the first. Whoever uses a feature more often meets an error sooner or later; the first use of a day is one for everybody.
-- The days of all histories and times zero are fewer than 64.
WITH days AS (
    SELECT
        feature,
        user_id,
        event_date,
        arg_min(error_count > 0, (event_time, event_id, source)) FILTER (error_count IS NOT NULL) AS first_failed
    FROM warehouse.fact_events
    WHERE event_date >= $first_use_day AND event_date <= $last_use_day AND hash(user_id) % 1000 < $users_per_thousand
    GROUP BY feature, user_id, event_date
)
SELECT
    feature,
    user_id,
    bit_or(CAST(1 AS UBIGINT) << CAST(event_date - $first_use_day AS UBIGINT)) AS days,
    coalesce(
        bit_or(CAST(1 AS UBIGINT) << CAST(event_date - $first_use_day AS UBIGINT)) FILTER (first_failed),
        CAST(0 AS UBIGINT)
    ) AS error_days
FROM days
GROUP BY feature, user_id
ORDER BY feature, user_id
