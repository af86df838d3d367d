-- For each feature and day in [$start, $end): how many users met a bad event of each promise and were first seen a week or
-- more before. Newcomers are left out because whoever sends events can invent any number of new user names.
WITH events AS (
    SELECT
        event_date,
        feature,
        user_id,
        error_count > 0 OR crashed AS is_failed,
        crashed AS is_crashed,
        latency_ms > slow_latency_ms AS is_slow,
        rating <= 2 AS is_disliked,
        false AS is_let_down
    FROM warehouse.fact_events INNER JOIN warehouse.dim_feature_metadata USING (feature)
    WHERE event_date >= $start AND event_date < $end
),
answers AS (
    SELECT event_date, feature, user_id, true AS is_let_down
    FROM warehouse.fact_answers
    WHERE event_date >= $start AND event_date < $end AND is_bad
),
harmed AS (
    SELECT
        event_date,
        feature,
        user_id,
        bool_or(is_failed) AS is_failed,
        bool_or(is_crashed) AS is_crashed,
        bool_or(is_slow) AS is_slow,
        bool_or(is_disliked) AS is_disliked,
        bool_or(is_let_down) AS is_let_down
    FROM (FROM events UNION ALL BY NAME FROM answers)
    WHERE is_failed OR is_slow OR is_disliked OR is_let_down
    GROUP BY ALL
)
SELECT
    event_date,
    feature,
    count(*) FILTER (is_failed) AS known_failed_users,
    count(*) FILTER (is_crashed) AS known_crashed_users,
    count(*) FILTER (is_slow) AS known_slow_users,
    count(*) FILTER (is_disliked) AS known_disliked_users,
    count(*) FILTER (is_let_down) AS known_let_down_users
FROM harmed INNER JOIN warehouse.dim_users USING (user_id)
WHERE first_seen_at < event_date - INTERVAL 7 DAY
GROUP BY ALL
