-- Users by what a day was for them: new, returning, back after a silence, or fallen silent; and how many are current.
WITH calendar AS (
    SELECT CAST(day AS DATE) AS event_date
    FROM generate_series($start, $end - INTERVAL 1 DAY, INTERVAL 1 DAY) AS series (day)
),
changes AS (FROM metrics.use_changes WHERE event_date >= $start AND event_date < $end),
people AS (
    SELECT user_id, event_date AS first_date, segment, platform FROM metrics.use_changes
    WHERE dimension = 'all' AND change = 'new' AND event_date < $end
),
active_people AS (
    SELECT event_date, people.segment, people.platform
    FROM metrics.user_day INNER JOIN people USING (user_id)
    WHERE event_date >= $start AND event_date < $end
),
parts AS (
    SELECT event_date, dimension, value, change, 1 AS users FROM changes
    UNION ALL
    SELECT event_date, 'segment', segment, change, 1 FROM changes WHERE dimension = 'all'
    UNION ALL
    SELECT event_date, 'platform', platform, change, 1 FROM changes WHERE dimension = 'all'
    UNION ALL
    SELECT event_date, 'feature', feature, 'active', users FROM metrics.fact_feature_metrics
    WHERE event_date >= $start AND event_date < $end
    UNION ALL
    SELECT event_date, 'all', 'all', 'active', 1 FROM active_people
    UNION ALL
    SELECT event_date, 'segment', segment, 'active', 1 FROM active_people
    UNION ALL
    SELECT event_date, 'platform', platform, 'active', 1 FROM active_people
),
counted AS (
    SELECT
        event_date,
        dimension,
        value,
        coalesce(sum(users) FILTER (change = 'active'), 0) AS active,
        coalesce(sum(users) FILTER (change = 'new'), 0) AS new,
        coalesce(sum(users) FILTER (change = 'resurrected'), 0) AS resurrected,
        coalesce(sum(users) FILTER (change = 'dormant'), 0) AS dormant
    FROM parts
    GROUP BY event_date, dimension, value
),
yesterday AS (SELECT dimension, value, current FROM metrics.lifecycle_day WHERE event_date = CAST($start AS DATE) - 1),
-- What has been used before has a row on each later day, so that the number of current users is known on each.
values_since AS (
    SELECT dimension, value, CAST($start AS DATE) AS first_day, current FROM yesterday
    UNION ALL
    SELECT dimension, value, min(event_date), 0 FROM counted ANTI JOIN yesterday USING (dimension, value)
    GROUP BY dimension, value
    UNION ALL
    SELECT 'all', 'all', CAST($start AS DATE), 0
    WHERE NOT EXISTS (FROM yesterday WHERE dimension = 'all')
    AND NOT EXISTS (FROM counted WHERE dimension = 'all')
),
waited AS (
    SELECT changes.event_date, changes.value, median(changes.event_date - people.first_date) AS median_days_to_first_use
    FROM changes INNER JOIN people USING (user_id)
    WHERE changes.dimension = 'feature' AND changes.change = 'new'
    GROUP BY changes.event_date, changes.value
)
SELECT
    calendar.event_date,
    values_since.dimension,
    values_since.value,
    CAST(coalesce(active, 0) AS BIGINT) AS active,
    CAST(coalesce(new, 0) AS BIGINT) AS new,
    CAST(coalesce(active - new - resurrected, 0) AS BIGINT) AS returned,
    CAST(coalesce(resurrected, 0) AS BIGINT) AS resurrected,
    CAST(coalesce(dormant, 0) AS BIGINT) AS dormant,
    CAST(
        current + sum(coalesce(new + resurrected - dormant, 0)) OVER (
            PARTITION BY values_since.dimension, values_since.value ORDER BY calendar.event_date
        ) AS BIGINT
    ) AS current,
    waited.median_days_to_first_use,
    health.stage
FROM calendar
INNER JOIN values_since ON calendar.event_date >= first_day
LEFT JOIN counted
    ON calendar.event_date = counted.event_date
    AND values_since.dimension = counted.dimension
    AND values_since.value = counted.value
LEFT JOIN waited
    ON values_since.dimension = 'feature'
    AND calendar.event_date = waited.event_date
    AND values_since.value = waited.value
LEFT JOIN metrics.feature_health AS health
    ON values_since.dimension = 'feature'
    AND calendar.event_date = health.event_date
    AND values_since.value = health.feature
