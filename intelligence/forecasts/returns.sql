-- How often earlier new users came back, by days since their first day: of all who came on the days $first to $day, at most a
-- sample of them, those whose day lies so far back that it is known.
WITH newcomers AS (
    SELECT user_id, CAST(local_time(first_seen_at) AS DATE) AS first_day
    FROM warehouse.dim_users
    WHERE CAST(local_time(first_seen_at) AS DATE) >= $first AND CAST(local_time(first_seen_at) AS DATE) <= $day
    ORDER BY hash(user_id), user_id
    LIMIT 20000
),
active AS (
    SELECT user_id, first_day, event_date - first_day AS ago
    FROM metrics.user_day INNER JOIN newcomers USING (user_id)
    WHERE event_date >= $first AND event_date <= $day
),
days AS (
    SELECT CAST(day AS BIGINT) AS day FROM range($days) AS numbers (day)
),
known AS (
    SELECT day, count(*) AS users FROM days INNER JOIN newcomers ON first_day + CAST(day AS INTEGER) <= $day GROUP BY day
),
seen AS (
    SELECT
        day,
        count(DISTINCT user_id) FILTER (ago = day) AS dau,
        count(DISTINCT user_id) FILTER (ago > day - 7) AS wau,
        count(DISTINCT user_id) FILTER (ago > day - 28) AS mau,
        count(DISTINCT user_id) FILTER (ago > 0) AS again
    FROM days INNER JOIN active ON ago <= day AND (ago > day - 28 OR $days <= 28) AND first_day + CAST(day AS INTEGER) <= $day
    GROUP BY day
)
SELECT day, users, coalesce(dau, 0) AS dau, coalesce(wau, 0) AS wau, coalesce(mau, 0) AS mau, coalesce(again, 0) AS again
FROM known LEFT JOIN seen USING (day)
ORDER BY day
