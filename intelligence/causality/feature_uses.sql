-- On which days each user of the sample used each feature, and on which of them with an error: bit n is the n-th day after
-- the first. The days of all histories and times zero are fewer than 64.
SELECT
    feature,
    user_id,
    bit_or(CAST(1 AS UBIGINT) << CAST(event_date - $first_use_day AS UBIGINT)) AS days,
    coalesce(
        bit_or(CAST(1 AS UBIGINT) << CAST(event_date - $first_use_day AS UBIGINT)) FILTER (error_count > 0),
        CAST(0 AS UBIGINT)
    ) AS error_days
FROM warehouse.fact_events
WHERE event_date >= $first_use_day AND event_date <= $last_use_day AND hash(user_id) % 1000 < $users_per_thousand
GROUP BY feature, user_id
ORDER BY feature, user_id
