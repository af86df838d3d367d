-- What each user did who was active in [$start, $end), on $feature where one is given: one row per user; `pre_` is the same in
-- the $days days before $start, NULL for who did nothing then.
--
-- `retained` is whether the user was active in the $window_days days that begin $after_days after the first day in the window.
WITH feature_day AS (
    SELECT
        event_date,
        user_id,
        count(*) AS feature_events,
        count(*) FILTER (list_contains($conversion_events, event_type)) AS feature_conversions,
        count(*) FILTER (error_count > 0 OR crashed) AS feature_failed_events,
        count(*) FILTER (crashed) AS feature_crashed_events,
        coalesce(sum(CAST(latency_ms AS DECIMAL(18, 3))), 0) AS feature_latency_sum,
        count(latency_ms) AS feature_timed_events
    FROM warehouse.fact_events
    WHERE event_date >= $start - $days AND event_date < $end AND feature = $feature
    GROUP BY event_date, user_id
),
user_days AS (
    SELECT day.*, feature_day.* EXCLUDE (event_date, user_id)
    FROM metrics.user_day AS day
    LEFT JOIN feature_day USING (event_date, user_id)
    WHERE event_date >= $start - $days AND event_date < $end
),
units AS (
    SELECT user_id, min(event_date) AS first_day
    FROM user_days
    WHERE event_date >= $start AND ($feature IS NULL OR feature_events > 0)
    GROUP BY user_id
),
added AS (
    SELECT
        user_id,
        event_date < $start AS is_before,
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
        sum(value) AS value,
        coalesce(sum(feature_events), 0) AS feature_events,
        coalesce(sum(feature_conversions), 0) AS feature_conversions,
        coalesce(sum(feature_failed_events), 0) AS feature_failed_events,
        coalesce(sum(feature_crashed_events), 0) AS feature_crashed_events,
        coalesce(sum(feature_latency_sum), 0) AS feature_latency_sum,
        coalesce(sum(feature_timed_events), 0) AS feature_timed_events
    FROM user_days
    INNER JOIN units USING (user_id)
    GROUP BY user_id, is_before
),
answered AS (
    SELECT
        user_id,
        event_date < $start AS is_before,
        count(*) FILTER (is_scored) AS scored_answers,
        count(*) FILTER (is_bad) AS bad_answers,
        count(refusal) AS readable_answers,
        count(*) FILTER (refusal) AS refused_answers,
        sum(fact_answers.ratings) AS answer_ratings,
        sum(good_ratings) AS good_answer_ratings
    FROM warehouse.fact_answers
    INNER JOIN units USING (user_id)
    WHERE event_date >= $start - $days AND event_date < $end AND feature = $feature
    GROUP BY user_id, is_before
),
earlier_answers AS (SELECT COLUMNS('(.+)') AS 'pre_\1' FROM (SELECT * EXCLUDE (is_before) FROM answered WHERE is_before)),
earlier AS (SELECT COLUMNS('(.+)') AS 'pre_\1' FROM (SELECT * EXCLUDE (is_before) FROM added WHERE is_before))
SELECT
    units.user_id,
    CAST(EXISTS (
        SELECT 1 FROM metrics.user_day
        WHERE
            user_day.user_id = units.user_id
            AND user_day.event_date >= units.first_day + CAST($after_days AS INTEGER)
            AND user_day.event_date < units.first_day + CAST($after_days AS INTEGER) + CAST($window_days AS INTEGER)
    ) AS INTEGER) AS retained,
    CAST(COLUMNS(added.* EXCLUDE (user_id, is_before)) AS DOUBLE),
    CAST(coalesce(COLUMNS(answered.* EXCLUDE (user_id, is_before)), 0) AS DOUBLE),
    CAST(COLUMNS(earlier.* EXCLUDE (pre_user_id)) AS DOUBLE),
    CAST(COLUMNS(earlier_answers.* EXCLUDE (pre_user_id)) AS DOUBLE)
FROM units
INNER JOIN added ON units.user_id = added.user_id AND NOT added.is_before
LEFT JOIN answered ON units.user_id = answered.user_id AND NOT answered.is_before
LEFT JOIN earlier ON units.user_id = earlier.pre_user_id
LEFT JOIN earlier_answers ON units.user_id = earlier_answers.pre_user_id
