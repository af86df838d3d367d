-- What each unit of the experiment $experiment did from its exposure up to $day, and what was known of it before: one row per
-- unit that was seen in one variant only. `pre_` is the same for as many days before the exposure, 0 for who did nothing then.
--
-- `retained` is whether the unit was active in the $window_days days that begin $after_days after its exposure; NULL until the
-- last of them is over.
WITH crossed AS (
    SELECT DISTINCT user_id FROM experiments.fact_exposures
    WHERE experiment = $experiment AND NOT is_first AND event_date <= $day
),
units AS (
    SELECT
        exposure.user_id,
        exposure.variant,
        exposure.event_date AS exposed_on,
        coalesce(exposure.segment, 'unknown') AS segment,
        exposure.platform,
        greatest(exposure.event_date - CAST(local_time(known.first_seen_at) AS DATE), 0) AS days_since_first_seen
    FROM experiments.fact_exposures AS exposure
    ANTI JOIN crossed USING (user_id)
    LEFT JOIN warehouse.dim_users AS known USING (user_id)
    WHERE
        exposure.experiment = $experiment AND exposure.is_first
        AND exposure.event_date BETWEEN $first_day AND least(CAST($last_day AS DATE), CAST($day AS DATE))
),
feature_day AS (
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
    WHERE
        event_date BETWEEN $first_day - CAST($outcome_days AS INTEGER) AND $last_day + CAST($outcome_days AS INTEGER)
        AND event_date <= $day AND feature = $feature
    GROUP BY event_date, user_id
),
unit_days AS (
    SELECT units.exposed_on, day.*, feature_day.* EXCLUDE (event_date, user_id)
    FROM units
    INNER JOIN metrics.user_day AS day USING (user_id)
    LEFT JOIN feature_day ON day.event_date = feature_day.event_date AND day.user_id = feature_day.user_id
    WHERE
        day.event_date BETWEEN $first_day - CAST($outcome_days AS INTEGER) AND $last_day + CAST($outcome_days AS INTEGER)
        AND day.event_date <= $day
        AND day.event_date >= units.exposed_on - CAST($outcome_days AS INTEGER)
        AND day.event_date < units.exposed_on + CAST($outcome_days AS INTEGER)
),
added AS (
    SELECT
        user_id,
        event_date < exposed_on AS is_before,
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
    FROM unit_days
    GROUP BY user_id, is_before
),
answered AS (
    SELECT
        user_id,
        event_date < exposed_on AS is_before,
        count(*) FILTER (is_scored) AS scored_answers,
        count(*) FILTER (is_bad) AS bad_answers,
        count(refusal) AS readable_answers,
        count(*) FILTER (refusal) AS refused_answers,
        sum(fact_answers.ratings) AS answer_ratings,
        sum(good_ratings) AS good_answer_ratings
    FROM units
    INNER JOIN warehouse.fact_answers USING (user_id)
    WHERE
        event_date BETWEEN $first_day - CAST($outcome_days AS INTEGER) AND $last_day + CAST($outcome_days AS INTEGER)
        AND event_date <= $day AND feature = $feature
        AND event_date >= exposed_on - CAST($outcome_days AS INTEGER)
        AND event_date < exposed_on + CAST($outcome_days AS INTEGER)
    GROUP BY user_id, is_before
),
earlier_answers AS (SELECT COLUMNS('(.+)') AS 'pre_\1' FROM (SELECT * EXCLUDE (is_before) FROM answered WHERE is_before)),
earlier AS (SELECT COLUMNS('(.+)') AS 'pre_\1' FROM (SELECT * EXCLUDE (is_before) FROM added WHERE is_before))
SELECT
    units.user_id,
    units.variant,
    units.exposed_on,
    units.segment,
    units.platform,
    units.days_since_first_seen,
    CASE WHEN $after_days > 0 AND units.exposed_on + CAST($after_days + $window_days AS INTEGER) - 1 <= $day THEN CAST(EXISTS (
        SELECT 1 FROM metrics.user_day
        WHERE
            user_day.user_id = units.user_id
            AND user_day.event_date >= units.exposed_on + CAST($after_days AS INTEGER)
            AND user_day.event_date < units.exposed_on + CAST($after_days AS INTEGER) + CAST($window_days AS INTEGER)
    ) AS DOUBLE) END AS retained,
    CAST(coalesce(COLUMNS(added.* EXCLUDE (user_id, is_before)), 0) AS DOUBLE),
    CAST(coalesce(COLUMNS(answered.* EXCLUDE (user_id, is_before)), 0) AS DOUBLE),
    CAST(coalesce(COLUMNS(earlier.* EXCLUDE (pre_user_id)), 0) AS DOUBLE),
    CAST(coalesce(COLUMNS(earlier_answers.* EXCLUDE (pre_user_id)), 0) AS DOUBLE)
FROM units
LEFT JOIN added ON units.user_id = added.user_id AND NOT added.is_before
LEFT JOIN answered ON units.user_id = answered.user_id AND NOT answered.is_before
LEFT JOIN earlier ON units.user_id = earlier.pre_user_id
LEFT JOIN earlier_answers ON units.user_id = earlier_answers.pre_user_id
ORDER BY units.user_id
