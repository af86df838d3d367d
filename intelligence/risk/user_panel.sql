-- One row per user and day of $days, with what was known at the end of that day: users active in the last $window_days,
-- described by their last 28 days. The label is true if the user does not return in the $horizon_days after the day; it is
-- NULL while those days are not over on $last_day.
WITH seen AS (SELECT unnest(CAST($days AS DATE[])) AS event_date),
chosen AS (
    SELECT * FROM metrics.user_day
    WHERE event_date > (SELECT min(event_date) FROM seen) - 28
        AND event_date <= (SELECT max(event_date) FROM seen) + $horizon_days
        AND hash(user_id) % 1000 < $users_per_thousand
),
activity AS (
    SELECT seen.event_date, chosen.* EXCLUDE (event_date, segment), chosen.event_date AS day, seen.event_date - chosen.event_date AS ago
    FROM seen INNER JOIN chosen ON chosen.event_date BETWEEN seen.event_date - 27 AND seen.event_date
),
counted AS (
    SELECT
        event_date,
        user_id,
        min(ago) AS days_since_visit,
        count(*) FILTER (ago < 7) AS active_days_7d,
        count(*) FILTER (ago < 14) AS active_days_14d,
        count(*) AS active_days_28d,
        (max(ago) - min(ago)) / nullif(count(*) - 1, 0) AS visit_rhythm_days,
        coalesce(sum(events) FILTER (ago < 7), 0) AS events_7d,
        coalesce(sum(events) FILTER (ago < 14), 0) AS events_14d,
        sum(events) AS events_28d,
        sum(features) AS features_28d,
        sum(CAST(duration_s AS DECIMAL(18, 3))) AS duration_s_28d,
        sum(errors) AS errors_28d,
        sum(crashed_events) AS crashed_events_28d,
        sum(conversions) AS conversions_28d,
        sum(CAST(rating_sum AS DECIMAL(18, 3))) AS rating_sum_28d,
        sum(ratings) AS ratings_28d,
        sum(CAST(value AS DECIMAL(38, 6))) AS value_28d
    FROM activity
    GROUP BY event_date, user_id
    HAVING min(ago) < $window_days
),
returned AS (
    SELECT DISTINCT seen.event_date, chosen.user_id
    FROM seen INNER JOIN chosen ON chosen.event_date BETWEEN seen.event_date + 1 AND seen.event_date + $horizon_days
)
SELECT
    counted.event_date,
    counted.user_id,
    days_since_visit,
    active_days_7d,
    active_days_14d,
    active_days_28d,
    visit_rhythm_days,
    days_since_visit / nullif(visit_rhythm_days, 0) AS absence_against_rhythm,
    CAST(events_7d AS BIGINT) AS events_7d,
    CAST(events_28d AS BIGINT) AS events_28d,
    ln((events_14d + 1) / (events_28d - events_14d + 1)) AS event_change_14d,
    2 * active_days_14d - active_days_28d AS day_change_14d,
    events_28d / active_days_28d AS events_per_day_28d,
    features_28d / active_days_28d AS features_per_day_28d,
    CAST(duration_s_28d AS DOUBLE) / 60 / active_days_28d AS minutes_per_day_28d,
    errors_28d / events_28d AS error_rate_28d,
    CAST(crashed_events_28d AS BIGINT) AS crashed_events_28d,
    CAST(conversions_28d AS BIGINT) AS conversions_28d,
    CAST(rating_sum_28d AS DOUBLE) / nullif(ratings_28d, 0) AS mean_rating_28d,
    CAST(value_28d AS DOUBLE) AS value_28d,
    least(counted.event_date - CAST(local_time(users.first_seen_at) AS DATE), 90) AS tenure_days,
    CASE WHEN counted.event_date + $horizon_days <= $last_day THEN returned.user_id IS NULL END AS label
FROM counted
LEFT JOIN returned USING (event_date, user_id)
LEFT JOIN warehouse.dim_users AS users USING (user_id)
ORDER BY counted.event_date, counted.user_id
