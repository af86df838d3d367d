-- What each unit of each experiment did, as it was known at the end of each day in [$start, $end) on which that was not settled
-- at the end of the day before. One row per window, experiment, unit and day; `pre_` is the same for as many days before the
-- exposure.
--
-- The windows: `since_exposure` for the days since the exposure, `day` for the day alone, and one for each metric of retention,
-- which has a row once its last day is over.
WITH running AS (
    SELECT
        unnest($experiments) AS experiment,
        unnest($features) AS feature,
        unnest($outcome_days) AS outcome_days,
        unnest($first_days) AS first_day,
        unnest($last_days) AS last_day
),
retentions AS (SELECT unnest($retentions) AS metric, unnest($after_days) AS after_days, unnest($window_days) AS window_days),
days AS (
    SELECT event_date, coalesce(lag(event_date) OVER (ORDER BY event_date), event_date - 1) AS day_before
    FROM (SELECT DISTINCT event_date FROM telemetry.day_quality WHERE event_date >= $start - 90 AND event_date < $end)
),
crossed AS (
    SELECT experiment, user_id, min(event_date) AS crossed_on
    FROM experiments.fact_exposures
    WHERE NOT is_first AND event_date < $end
    GROUP BY experiment, user_id
),
units AS (
    SELECT
        exposure.experiment,
        running.feature,
        running.outcome_days,
        exposure.user_id,
        exposure.variant,
        exposure.segment,
        exposure.event_date AS exposed_on,
        crossed.crossed_on
    FROM experiments.fact_exposures AS exposure
    INNER JOIN running USING (experiment)
    LEFT JOIN crossed ON crossed.experiment = exposure.experiment AND crossed.user_id = exposure.user_id
    WHERE
        exposure.is_first
        AND exposure.event_date BETWEEN greatest(running.first_day, $start - $longest) AND running.last_day
        AND exposure.event_date < $end
),
feature_day AS (
    SELECT
        event_date,
        user_id,
        feature,
        count(*) AS feature_events,
        count(*) FILTER (list_contains($conversion_events, event_type)) AS feature_conversions,
        count(*) FILTER (error_count > 0 OR crashed) AS feature_failed_events,
        count(*) FILTER (crashed) AS feature_crashed_events,
        coalesce(sum(CAST(latency_ms AS DECIMAL(18, 3))), 0) AS feature_latency_sum,
        count(latency_ms) AS feature_timed_events
    FROM warehouse.fact_events
    WHERE
        event_date >= $start - 2 * $longest
        AND event_date < $end
        AND feature IN (SELECT feature FROM running WHERE feature IS NOT NULL)
    GROUP BY event_date, user_id, feature
),
unit_days AS (
    SELECT
        units.experiment,
        units.exposed_on,
        units.outcome_days,
        day.*,
        feature_day.* EXCLUDE (event_date, user_id, feature)
    FROM units
    INNER JOIN metrics.user_day AS day ON units.user_id = day.user_id
    LEFT JOIN feature_day
        ON day.event_date = feature_day.event_date
        AND units.user_id = feature_day.user_id
        AND units.feature = feature_day.feature
    WHERE
        day.event_date >= $start - 2 * $longest
        AND day.event_date < $end
        AND day.event_date BETWEEN units.exposed_on - units.outcome_days AND units.exposed_on + $longest
),
-- Sums of each unit from its exposure, or from the beginning of the time before, to each day on which it was active.
added AS (
    SELECT
        experiment,
        user_id,
        event_date,
        exposed_on,
        event_date < exposed_on AS is_before,
        count(*) OVER since AS active_days,
        sum(events) OVER since AS events,
        sum(sessions) OVER since AS sessions,
        sum(duration_s) OVER since AS duration_s,
        sum(errors) OVER since AS errors,
        count(*) FILTER (crashed_events > 0) OVER since AS crashed_days,
        count(*) OVER since - count(*) FILTER (crashed_events > 0) OVER since AS crash_free_days,
        count(*) FILTER (conversions > 0) OVER since AS converted_days,
        CAST(count(*) FILTER (conversions > 0) OVER since > 0 AS INTEGER) AS has_converted,
        sum(ratings) OVER since AS ratings,
        sum(rating_sum) OVER since AS rating_sum,
        sum(value) OVER since AS value,
        sum(feature_events) OVER since AS feature_events,
        sum(feature_conversions) OVER since AS feature_conversions,
        sum(feature_failed_events) OVER since AS feature_failed_events,
        sum(feature_crashed_events) OVER since AS feature_crashed_events,
        sum(feature_latency_sum) OVER since AS feature_latency_sum,
        sum(feature_timed_events) OVER since AS feature_timed_events
    FROM unit_days
    WHERE event_date < exposed_on + outcome_days
    WINDOW since AS (PARTITION BY experiment, user_id, event_date < exposed_on ORDER BY event_date)
),
-- Answers are no events: they count on their own days, whatever else the user did then.
answer_day AS (
    SELECT
        event_date,
        user_id,
        feature,
        count(*) FILTER (is_scored) AS scored_answers,
        count(*) FILTER (is_bad) AS bad_answers,
        count(refusal) AS readable_answers,
        count(*) FILTER (refusal) AS refused_answers,
        sum(fact_answers.ratings) AS answer_ratings,
        sum(good_ratings) AS good_answer_ratings
    FROM warehouse.fact_answers
    WHERE
        event_date >= $start - 2 * $longest
        AND event_date < $end
        AND feature IN (SELECT feature FROM running WHERE feature IS NOT NULL)
    GROUP BY event_date, user_id, feature
),
unit_answers AS (
    SELECT units.experiment, units.exposed_on, answer_day.* EXCLUDE (feature)
    FROM units
    INNER JOIN answer_day ON units.user_id = answer_day.user_id AND units.feature = answer_day.feature
    WHERE
        answer_day.event_date >= units.exposed_on - units.outcome_days
        AND answer_day.event_date < units.exposed_on + units.outcome_days
),
answered AS (
    SELECT
        experiment,
        user_id,
        event_date,
        event_date < exposed_on AS is_before,
        sum(scored_answers) OVER since AS scored_answers,
        sum(bad_answers) OVER since AS bad_answers,
        sum(readable_answers) OVER since AS readable_answers,
        sum(refused_answers) OVER since AS refused_answers,
        sum(answer_ratings) OVER since AS answer_ratings,
        sum(good_answer_ratings) OVER since AS good_answer_ratings
    FROM unit_answers
    WINDOW since AS (PARTITION BY experiment, user_id, event_date < exposed_on ORDER BY event_date)
),
alone AS (
    SELECT
        experiment,
        user_id,
        event_date,
        exposed_on,
        1 AS active_days,
        events,
        sessions,
        duration_s,
        errors,
        CAST(crashed_events > 0 AS INTEGER) AS crashed_days,
        CAST(crashed_events = 0 AS INTEGER) AS crash_free_days,
        CAST(conversions > 0 AS INTEGER) AS converted_days,
        CAST(conversions > 0 AS INTEGER) AS has_converted,
        ratings,
        rating_sum,
        value,
        feature_events,
        feature_conversions,
        feature_failed_events,
        feature_crashed_events,
        feature_latency_sum,
        feature_timed_events
    FROM unit_days
),
earlier AS (
    SELECT COLUMNS('(.+)') AS 'pre_\1'
    FROM (SELECT * EXCLUDE (is_before) FROM added WHERE is_before)
    QUALIFY pre_event_date = max(pre_event_date) OVER (PARTITION BY pre_experiment, pre_user_id)
),
earlier_answers AS (
    SELECT COLUMNS('(.+)') AS 'pre_\1'
    FROM (SELECT * EXCLUDE (is_before) FROM answered WHERE is_before)
    QUALIFY pre_event_date = max(pre_event_date) OVER (PARTITION BY pre_experiment, pre_user_id)
),
observed AS (
    SELECT units.*, days.event_date
    FROM units
    INNER JOIN days ON days.event_date >= exposed_on AND days.day_before < exposed_on + outcome_days - 1
    WHERE days.event_date >= $start AND (crossed_on IS NULL OR crossed_on > days.event_date)
),
returned AS (
    SELECT units.*, days.event_date, metric, after_days, window_days
    FROM units
    CROSS JOIN retentions
    INNER JOIN days
        ON days.event_date >= exposed_on + after_days + window_days - 1
        AND days.day_before < exposed_on + after_days + window_days - 1
    WHERE days.event_date >= $start AND (crossed_on IS NULL OR crossed_on > days.event_date)
),
found AS (
    SELECT
        'since_exposure' AS measured_in,
        observed.*,
        CAST(NULL AS INTEGER) AS retained,
        added.* EXCLUDE (experiment, user_id, event_date, exposed_on, is_before),
        answered.* EXCLUDE (experiment, user_id, event_date, is_before)
    FROM observed
    ASOF LEFT JOIN (FROM added WHERE NOT is_before) AS added
        ON observed.experiment = added.experiment
        AND observed.user_id = added.user_id
        AND observed.event_date >= added.event_date
    ASOF LEFT JOIN (FROM answered WHERE NOT is_before) AS answered
        ON observed.experiment = answered.experiment
        AND observed.user_id = answered.user_id
        AND observed.event_date >= answered.event_date
    UNION ALL BY NAME
    SELECT
        'day' AS measured_in,
        observed.*,
        CAST(NULL AS INTEGER) AS retained,
        alone.* EXCLUDE (experiment, user_id, event_date, exposed_on),
        unit_answers.* EXCLUDE (experiment, user_id, event_date, exposed_on)
    FROM observed
    LEFT JOIN alone
        ON observed.experiment = alone.experiment
        AND observed.user_id = alone.user_id
        AND observed.event_date = alone.event_date
    LEFT JOIN unit_answers
        ON observed.experiment = unit_answers.experiment
        AND observed.user_id = unit_answers.user_id
        AND observed.event_date = unit_answers.event_date
    WHERE observed.event_date < observed.exposed_on + outcome_days
    UNION ALL BY NAME
    SELECT
        metric AS measured_in,
        returned.* EXCLUDE (metric, after_days, window_days),
        CAST(EXISTS (
            SELECT 1 FROM unit_days
            WHERE
                unit_days.experiment = returned.experiment
                AND unit_days.user_id = returned.user_id
                AND unit_days.event_date >= returned.exposed_on + after_days
                AND unit_days.event_date < returned.exposed_on + after_days + window_days
        ) AS INTEGER) AS retained
    FROM returned
)
SELECT
    found.event_date,
    measured_in,
    found.experiment,
    found.variant,
    found.exposed_on,
    coalesce(found.segment, 'unknown') AS segment,
    retained,
    CAST(coalesce(COLUMNS(found.* EXCLUDE (
        event_date, measured_in, experiment, variant, exposed_on, segment, retained, user_id, feature, outcome_days, crossed_on
    )), 0) AS DOUBLE),
    CAST(COLUMNS(earlier.* EXCLUDE (pre_experiment, pre_user_id, pre_event_date, pre_exposed_on)) AS DOUBLE),
    CAST(COLUMNS(earlier_answers.* EXCLUDE (pre_experiment, pre_user_id, pre_event_date)) AS DOUBLE)
FROM found
LEFT JOIN earlier ON found.experiment = earlier.pre_experiment AND found.user_id = earlier.pre_user_id
LEFT JOIN earlier_answers
    ON found.experiment = earlier_answers.pre_experiment AND found.user_id = earlier_answers.pre_user_id
