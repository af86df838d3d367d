-- The first time that each unit is seen in each variant of each experiment, within the days [$start, $end) and after all
-- earlier days: by an event, or by the answer of a language model. A unit with a second row was seen in two variants.
WITH marked AS (
    SELECT
        event_date, event_time, event_id, experiment, variant, user_id, feature, segment, platform, false AS of_answer
    FROM warehouse.fact_events
    WHERE event_date >= $start AND event_date < $end AND experiment IS NOT NULL AND variant IS NOT NULL
    UNION ALL
    SELECT event_date, event_time, answer_id, experiment, variant, user_id, feature, segment, NULL, true
    FROM warehouse.fact_answers
    WHERE event_date >= $start AND event_date < $end AND experiment IS NOT NULL AND variant IS NOT NULL
),
seen AS (
    SELECT
        experiment,
        user_id,
        variant,
        min(event_date) AS event_date,
        min(event_time) AS exposed_at,
        arg_min(
            {
                'feature': feature,
                'segment': segment,
                'platform': coalesce(platform, 'unknown'),
                'of_answer': of_answer
            },
            (event_time, event_id)
        ) AS first
    FROM marked
    GROUP BY experiment, user_id, variant
),
known AS (
    SELECT experiment, user_id, variant
    FROM experiments.fact_exposures
    WHERE event_date < $start AND experiment IN (SELECT DISTINCT experiment FROM marked)
),
known_units AS (SELECT DISTINCT experiment, user_id FROM known)
SELECT
    event_date,
    experiment,
    user_id,
    variant,
    exposed_at,
    first.feature,
    first.segment,
    first.platform,
    first.of_answer,
    known_units.user_id IS NULL
    AND row_number() OVER (PARTITION BY experiment, user_id ORDER BY exposed_at, variant) = 1 AS is_first
FROM seen
ANTI JOIN known USING (experiment, user_id, variant)
LEFT JOIN known_units USING (experiment, user_id)
ORDER BY event_date
