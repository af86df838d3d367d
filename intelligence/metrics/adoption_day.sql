-- How many features users touch on a day, and on how many of the last 28 days they came. The days of a user are bits, the last day of
-- the range [$start, $end) being the lowest: a range has at most 35 days.
WITH calendar AS (
    SELECT CAST(day AS DATE) AS event_date, CAST(date_diff('day', day, $end) - 1 AS UBIGINT) AS place
    FROM generate_series($start, $end - INTERVAL 1 DAY, INTERVAL 1 DAY) AS series (day)
),
present AS (
    SELECT event_date, user_id, segment, features FROM metrics.user_day WHERE event_date >= $start AND event_date < $end
),
breadth AS (
    SELECT
        event_date,
        segment,
        count(*) AS users,
        CAST(sum(features) AS BIGINT) AS features,
        sum(features) / count(*) AS mean_features,
        quantile_cont(features, 0.5) AS median_features,
        quantile_cont(features, 0.9) AS p90_features
    FROM (SELECT event_date, segment, features FROM present UNION ALL SELECT event_date, 'all', features FROM present)
    GROUP BY event_date, segment
),
masks AS (
    SELECT
        segment,
        user_id,
        bit_or(CAST(1 AS UBIGINT) << CAST(CAST($end AS DATE) - 1 - event_date AS UBIGINT)) AS used
    FROM (
        SELECT event_date, user_id, unnest([segment, 'all']) AS segment FROM metrics.user_day
        WHERE event_date >= CAST($start AS DATE) - 27 AND event_date < $end
    )
    GROUP BY segment, user_id
),
-- Someone who changed the segment within the 28 days counts in each with the days in it.
frequency AS (
    SELECT event_date, segment, bit_count((used >> place) & 268435455) AS days, count(*) AS users
    FROM masks CROSS JOIN calendar
    WHERE event_date >= CAST($first_day AS DATE) + 27 AND (used >> place) & 268435455 > 0
    GROUP BY ALL
),
curves AS (
    SELECT event_date, segment, list(coalesce(frequency.users, 0) ORDER BY days) AS users_by_active_days
    FROM (
        SELECT DISTINCT event_date, segment, CAST(unnest(range(1, 29)) AS TINYINT) AS days FROM frequency
    )
    LEFT JOIN frequency USING (event_date, segment, days)
    GROUP BY event_date, segment
),
keys AS (
    SELECT event_date, segment FROM breadth
    UNION
    SELECT event_date, segment FROM curves
    UNION
    SELECT event_date, 'all' FROM calendar
)
SELECT
    keys.event_date,
    keys.segment,
    coalesce(users, 0) AS users,
    coalesce(features, 0) AS features,
    mean_features,
    median_features,
    p90_features,
    users_by_active_days
FROM keys
LEFT JOIN breadth USING (event_date, segment)
LEFT JOIN curves USING (event_date, segment)
