-- The days on which each user used the product, and each feature, as bits: the last day of the range [$start, $end) is the lowest,
-- and the highest is 28 days before the range. So a range has at most 98 days, and the number 126 bits.
WITH of_features AS (
    SELECT
        feature,
        user_id,
        bit_or(CAST(1 AS HUGEINT) << CAST(CAST($end AS DATE) - 1 - event_date AS HUGEINT)) AS used
    FROM warehouse.fact_events
    WHERE event_date >= greatest(CAST($start AS DATE) - 28, $first_day) AND event_date < $end
    GROUP BY feature, user_id
)
SELECT 'feature' AS dimension, feature AS value, user_id, used FROM of_features
UNION ALL
SELECT 'all', 'all', user_id, bit_or(used) FROM of_features GROUP BY user_id
