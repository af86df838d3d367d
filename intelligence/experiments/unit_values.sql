-- What each unit of each experiment did, as it was known at the end of each day in [$start, $end) on which that was not settled
-- at the end of the day before. One row per window, experiment, unit and day; `pre_` is the same before the exposure.
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
spans AS (
    SELECT
        units.*,
        days.event_date,
        unnest([
            {'name': 'since_exposure', 'first': exposed_on, 'last': least(days.event_date, exposed_on + outcome_days - 1)},
            {'name': 'day', 'first': days.event_date, 'last': days.event_date}
        ]) AS span
    FROM units
    INNER JOIN days ON days.event_date >= exposed_on AND days.day_before < exposed_on + outcome_days - 1
    WHERE days.event_date >= $start AND (crossed_on IS NULL OR crossed_on > days.event_date)
    UNION ALL
    SELECT
        units.*,
        days.event_date,
        {'name': metric, 'first': exposed_on + after_days, 'last': exposed_on + after_days + window_days - 1} AS span
    FROM units
    CROSS JOIN retentions
    INNER JOIN days
        ON days.event_date >= exposed_on + after_days + window_days - 1
        AND days.day_before < exposed_on + after_days + window_days - 1
    WHERE days.event_date >= $start AND (crossed_on IS NULL OR crossed_on > days.event_date)
    UNION ALL
    SELECT
        units.*,
        exposed_on AS event_date,
        {'name': 'before', 'first': exposed_on - outcome_days, 'last': exposed_on - 1} AS span
    FROM units
),
measured AS (
    SELECT
        span.name AS measured_in,
        spans.experiment,
        spans.user_id,
        spans.event_date,
        count(*) AS active_days,
        sum(day.events) AS events,
        sum(day.sessions) AS sessions,
        sum(day.duration_s) AS duration_s,
        sum(day.errors) AS errors,
        count(*) FILTER (crashed_events > 0) AS crashed_days,
        count(*) - count(*) FILTER (crashed_events > 0) AS crash_free_days,
        count(*) FILTER (conversions > 0) AS converted_days,
        CAST(count(*) FILTER (conversions > 0) > 0 AS INTEGER) AS has_converted,
        sum(day.ratings) AS ratings,
        sum(day.rating_sum) AS rating_sum,
        sum(day.value) AS value
    FROM spans
    INNER JOIN metrics.user_day AS day ON spans.user_id = day.user_id AND day.event_date BETWEEN span.first AND span.last
    WHERE day.event_date >= $start - 2 * $longest AND day.event_date < $end
    GROUP BY ALL
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
used AS (
    SELECT
        span.name AS measured_in,
        spans.experiment,
        spans.user_id,
        spans.event_date,
        sum(day.feature_events) AS feature_events,
        sum(day.feature_conversions) AS feature_conversions,
        sum(day.feature_failed_events) AS feature_failed_events,
        sum(day.feature_crashed_events) AS feature_crashed_events,
        sum(day.feature_latency_sum) AS feature_latency_sum,
        sum(day.feature_timed_events) AS feature_timed_events
    FROM spans
    INNER JOIN feature_day AS day
        ON spans.user_id = day.user_id AND spans.feature = day.feature AND day.event_date BETWEEN span.first AND span.last
    GROUP BY ALL
),
known AS (
    SELECT measured.*, used.* EXCLUDE (measured_in, experiment, user_id, event_date)
    FROM measured
    LEFT JOIN used
        ON measured.measured_in = used.measured_in
        AND measured.experiment = used.experiment
        AND measured.user_id = used.user_id
        AND measured.event_date = used.event_date
),
earlier AS (
    SELECT COLUMNS('(.+)') AS 'pre_\1'
    FROM (SELECT * EXCLUDE (measured_in) FROM known WHERE measured_in = 'before')
)
SELECT
    spans.event_date,
    span.name AS measured_in,
    spans.experiment,
    spans.variant,
    spans.exposed_on,
    coalesce(spans.segment, 'unknown') AS segment,
    CAST(coalesce(active_days, 0) > 0 AS INTEGER) AS retained,
    CAST(coalesce(COLUMNS(known.* EXCLUDE (measured_in, experiment, user_id, event_date)), 0) AS DOUBLE),
    CAST(COLUMNS(earlier.* EXCLUDE (pre_experiment, pre_user_id, pre_event_date)) AS DOUBLE)
FROM spans
LEFT JOIN known
    ON span.name = known.measured_in
    AND spans.experiment = known.experiment
    AND spans.user_id = known.user_id
    AND spans.event_date = known.event_date
LEFT JOIN earlier
    ON spans.experiment = pre_experiment AND spans.user_id = pre_user_id AND spans.exposed_on = pre_event_date
WHERE span.name <> 'before' AND (span.name <> 'day' OR spans.event_date < spans.exposed_on + outcome_days)
