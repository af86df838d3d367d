-- Retention as one statement over all events: the days of use of each user and feature, the day before each, and what they reach.
WITH uses AS (
    SELECT 'feature' AS dimension, feature AS value, user_id, event_date
    FROM warehouse.fact_events
    GROUP BY feature, user_id, event_date
    UNION ALL
    SELECT 'all', 'all', user_id, event_date FROM warehouse.fact_events GROUP BY user_id, event_date
),
dated AS (
    SELECT
        *,
        min(event_date) OVER days AS first_date,
        lag(event_date) OVER days AS previous_date
    FROM uses
    WINDOW days AS (PARTITION BY dimension, value, user_id ORDER BY event_date)
),
aged AS (
    SELECT
        dimension,
        value,
        user_id,
        event_date,
        'day' AS grain,
        first_date AS cohort,
        event_date - first_date AS age,
        coalesce(previous_date - first_date, -1) AS previous_age
    FROM dated
    WHERE dimension = 'all'
    UNION ALL
    SELECT
        dimension,
        value,
        user_id,
        event_date,
        'week',
        CAST(date_trunc('week', first_date) AS DATE),
        (CAST(date_trunc('week', event_date) AS DATE) - CAST(date_trunc('week', first_date) AS DATE)) // 7,
        coalesce((CAST(date_trunc('week', previous_date) AS DATE) - CAST(date_trunc('week', first_date) AS DATE)) // 7, -1)
    FROM dated
),
definitions AS (SELECT unnest($definitions, recursive := true)),
reached AS (
    SELECT aged.grain, dimension, value, user_id, cohort, number
    FROM aged
    INNER JOIN definitions
        ON aged.grain = definitions.grain
        AND age >= definitions.first_age
        AND previous_age < definitions.first_age
        AND age <= coalesce(definitions.last_age, age)
),
-- A user belongs to what the first event says.
people AS (
    SELECT
        user_id,
        arg_min(
            {'segment': segment, 'platform': coalesce(platform, 'unknown'), 'first_feature': feature},
            (event_time, event_id, source)
        ) AS first
    FROM warehouse.fact_events
    GROUP BY user_id
),
of_people AS (
    SELECT grain, cohort, number, first FROM reached INNER JOIN people USING (user_id) WHERE dimension = 'all'
)
SELECT grain, dimension, value, cohort, number, count(*) AS users FROM reached GROUP BY ALL
UNION ALL
SELECT grain, 'segment', first.segment, cohort, number, count(*) FROM of_people GROUP BY ALL
UNION ALL
SELECT grain, 'platform', first.platform, cohort, number, count(*) FROM of_people GROUP BY ALL
UNION ALL
SELECT grain, 'first_feature', first.first_feature, cohort, number, count(*) FROM of_people WHERE grain = 'week' GROUP BY ALL
