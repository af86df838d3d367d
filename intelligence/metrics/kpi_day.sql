-- Active users look back 7 and 28 days; a window is NULL while it is longer than the data, which begins on $first_day.
WITH present AS (
    SELECT event_date, user_id, segment FROM metrics.user_day
    WHERE event_date >= $start AND event_date < $end
),
-- Of each user's days before the range only the last one matters.
earlier AS (
    SELECT max(event_date) AS event_date, user_id, segment FROM metrics.user_day
    WHERE event_date >= $start - INTERVAL 27 DAY AND event_date < $start
    GROUP BY user_id, segment
),
activity AS (
    FROM present
    UNION ALL
    SELECT event_date, user_id, 'all' FROM present
    UNION ALL
    FROM earlier
    UNION ALL
    SELECT max(event_date), user_id, 'all' FROM earlier GROUP BY user_id
),
calendar AS (
    SELECT CAST(day AS DATE) AS event_date
    FROM generate_series($start, $end - INTERVAL 1 DAY, INTERVAL 1 DAY) AS series (day)
),
-- A day of activity makes its user active for 7 and 28 days, or until the user's next such day: each user is counted once
-- per day, by adding 1 where such a span begins and subtracting 1 where it ends.
steps AS (
    SELECT segment, event_date, lead(event_date) OVER (PARTITION BY segment, user_id ORDER BY event_date) AS next_date
    FROM activity
),
changes AS (
    SELECT segment, event_date, 1 AS wau, 1 AS mau FROM steps
    UNION ALL
    SELECT segment, least(event_date + 7, next_date), -1, 0 FROM steps
    UNION ALL
    SELECT segment, least(event_date + 28, next_date), 0, -1 FROM steps
),
changed AS (
    SELECT segment, event_date, sum(wau) AS wau, sum(mau) AS mau FROM changes GROUP BY segment, event_date
),
reach AS (
    SELECT calendar.event_date, segment, CAST(sum(wau) AS BIGINT) AS wau, CAST(sum(mau) AS BIGINT) AS mau
    FROM calendar INNER JOIN changed ON changed.event_date <= calendar.event_date
    GROUP BY calendar.event_date, segment
    HAVING sum(mau) > 0
),
days AS (
    SELECT event_date, segment FROM reach
    UNION
    SELECT event_date, 'all' FROM calendar
),
totals AS (
    SELECT
        event_date,
        segment,
        count(*) AS dau,
        sum(events) AS events,
        sum(sessions) AS sessions,
        count(*) FILTER (crashed_events > 0) AS crashed_users,
        count(*) FILTER (conversions > 0) AS converted_users,
        sum(ratings) AS ratings,
        CAST(sum(CAST(rating_sum AS DECIMAL(38, 6))) AS DOUBLE) AS rating_sum,
        CAST(sum(CAST(value AS DECIMAL(38, 6))) AS DOUBLE) AS value
    FROM (
        SELECT * FROM metrics.user_day WHERE event_date >= $start AND event_date < $end
        UNION ALL BY NAME
        SELECT * REPLACE ('all' AS segment) FROM metrics.user_day WHERE event_date >= $start AND event_date < $end
    )
    GROUP BY event_date, segment
)
SELECT
    days.event_date,
    days.segment,
    coalesce(dau, 0) AS dau,
    CASE WHEN days.event_date >= $first_day + 6 THEN coalesce(wau, 0) END AS wau,
    CASE WHEN days.event_date >= $first_day + 27 THEN coalesce(mau, 0) END AS mau,
    CASE WHEN days.event_date >= $first_day + 27 THEN coalesce(dau, 0) / nullif(mau, 0) END AS stickiness,
    CAST(coalesce(events, 0) AS BIGINT) AS events,
    CAST(coalesce(sessions, 0) AS BIGINT) AS sessions,
    sessions / dau AS sessions_per_user,
    events / sessions AS session_depth,
    coalesce(crashed_users, 0) AS crashed_users,
    1 - crashed_users / dau AS crash_free_user_rate,
    coalesce(converted_users, 0) AS converted_users,
    converted_users / dau AS conversion_rate,
    CAST(coalesce(ratings, 0) AS BIGINT) AS ratings,
    rating_sum / nullif(ratings, 0) AS mean_rating,
    coalesce(value, 0) AS value
FROM days
LEFT JOIN totals USING (event_date, segment)
LEFT JOIN reach USING (event_date, segment)
