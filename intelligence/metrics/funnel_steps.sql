-- What became of the entries whose windows are all over with a day of the range [$start, $end): the entries of an earlier day, by
-- the length of the funnel's window.
WITH RECURSIVE funnels AS (SELECT unnest($funnels, recursive := true)),
named AS (SELECT unnest($steps, recursive := true)),
entries AS (
    SELECT
        event_date AS entered_on,
        funnel,
        user_id,
        entered_at,
        segment,
        platform,
        app_version,
        {'moment': entered_at, 'event_id': event_id, 'source': source} AS event,
        days_open,
        in_order,
        make_timestamp(epoch_us(entered_at) + window_us) AS until
    FROM metrics.funnel_entries INNER JOIN funnels USING (funnel)
    WHERE event_date >= CAST($start AS DATE) - days_open AND event_date < CAST($end AS DATE) - days_open
),
wanted AS (
    SELECT funnel, step, wanted.event_type, features.feature
    FROM named AS wanted
    INNER JOIN warehouse.dim_feature_metadata AS features
        ON wanted.feature IS NULL OR wanted.feature = features.feature
),
facts AS NOT MATERIALIZED (
    SELECT event_time, event_id, source, user_id, feature, event_type
    FROM warehouse.fact_events
    WHERE event_date >= CAST($start AS DATE) - $longest_days AND event_date < $end
),
matched AS MATERIALIZED (
    SELECT funnel, step, user_id, {'moment': event_time, 'event_id': event_id, 'source': source} AS event
    FROM (
        SELECT funnel, step, facts.* FROM facts INNER JOIN wanted USING (feature, event_type)
        UNION ALL
        SELECT funnel, step, facts.*
        FROM facts INNER JOIN (FROM wanted WHERE event_type IS NULL) AS wanted USING (feature)
    )
    SEMI JOIN entries USING (funnel, user_id)
),
-- In order: the first event of the next step at or after the step before, and another event than those of all steps before.
walk AS (
    SELECT funnel, user_id, entered_at, until, CAST(1 AS BIGINT) AS step, event, [event] AS taken FROM entries WHERE in_order
    UNION ALL
    SELECT
        walk.funnel,
        walk.user_id,
        walk.entered_at,
        walk.until,
        walk.step + 1,
        min(matched.event) AS next,
        list_append(walk.taken, next)
    FROM walk
    INNER JOIN matched
        ON walk.funnel = matched.funnel
        AND walk.user_id = matched.user_id
        AND matched.step = walk.step + 1
        AND matched.event.moment >= walk.event.moment
        AND matched.event.moment < walk.until
        AND NOT list_contains(walk.taken, matched.event)
    GROUP BY walk.funnel, walk.user_id, walk.entered_at, walk.until, walk.step, walk.taken
),
-- In any order: the first time of each step, and the place of that time among those of the entry's steps.
taken AS (
    SELECT entries.funnel, entries.user_id, entries.entered_at, matched.step, min(matched.event.moment) AS moment
    FROM entries
    INNER JOIN matched
        ON entries.funnel = matched.funnel
        AND entries.user_id = matched.user_id
        AND matched.event.moment >= entries.entered_at
        AND matched.event.moment < entries.until
    WHERE NOT in_order
    GROUP BY entries.funnel, entries.user_id, entries.entered_at, matched.step
),
progress AS (
    SELECT funnel, user_id, entered_at, step, event.moment AS moment FROM walk
    UNION ALL
    SELECT
        funnel,
        user_id,
        entered_at,
        row_number() OVER (PARTITION BY funnel, user_id, entered_at ORDER BY moment, step),
        moment
    FROM taken
),
timed AS (
    SELECT
        *,
        epoch_us(moment) - lag(epoch_us(moment)) OVER (PARTITION BY funnel, user_id, entered_at ORDER BY step) AS since_previous_us,
        epoch_us(moment) - epoch_us(entered_at) AS since_entry_us
    FROM progress
),
parts AS (
    SELECT
        entered_on + CAST(days_open AS INTEGER) AS event_date,
        entered_on,
        entries.funnel,
        dimension,
        CASE dimension
            WHEN 'all' THEN 'all' WHEN 'segment' THEN segment WHEN 'platform' THEN platform ELSE app_version
        END AS value,
        user_id,
        entered_at
    FROM entries INNER JOIN (SELECT unnest($breakdowns, recursive := true)) AS breakdowns USING (funnel)
),
steps_of_entries AS (
    SELECT parts.*, named.step, named.step_name, timed.moment, since_previous_us, since_entry_us
    FROM parts
    INNER JOIN named USING (funnel)
    LEFT JOIN timed
        ON parts.funnel = timed.funnel
        AND parts.user_id = timed.user_id
        AND parts.entered_at = timed.entered_at
        AND named.step = timed.step
),
by_user AS (
    SELECT
        event_date,
        entered_on,
        funnel,
        step,
        step_name,
        dimension,
        value,
        user_id,
        count(*) AS entered,
        count(moment) AS converted,
        list(since_previous_us) FILTER (since_previous_us IS NOT NULL) AS since_previous_us,
        list(since_entry_us) FILTER (moment IS NOT NULL) AS since_entry_us
    FROM steps_of_entries
    GROUP BY ALL
),
counted AS (
    SELECT
        event_date,
        entered_on,
        funnel,
        step,
        step_name,
        dimension,
        value,
        CAST(sum(entered) AS BIGINT) AS entered,
        count(*) AS users,
        CAST(sum(converted) AS BIGINT) AS converted,
        CAST(sum(converted * converted) AS BIGINT) AS converted_square_sum,
        CAST(sum(converted * entered) AS BIGINT) AS cross_sum,
        CAST(sum(entered * entered) AS BIGINT) AS entered_square_sum,
        flatten(list(since_previous_us) FILTER (since_previous_us IS NOT NULL)) AS since_previous_us,
        flatten(list(since_entry_us) FILTER (since_entry_us IS NOT NULL)) AS since_entry_us
    FROM by_user
    GROUP BY ALL
)
SELECT
    event_date,
    entered_on,
    funnel,
    step,
    step_name,
    dimension,
    value,
    entered,
    users,
    converted,
    converted_square_sum,
    cross_sum,
    entered_square_sum,
    lag(converted) OVER (PARTITION BY entered_on, funnel, dimension, value ORDER BY step) AS reached_before,
    list_aggregate(since_previous_us, 'quantile_cont', 0.5) / 1e6 AS median_s,
    list_aggregate(since_previous_us, 'quantile_cont', 0.9) / 1e6 AS p90_s,
    list_aggregate(since_entry_us, 'quantile_cont', 0.5) / 1e6 AS median_since_entry_s,
    list_aggregate(since_entry_us, 'quantile_cont', 0.9) / 1e6 AS p90_since_entry_s
FROM counted
ORDER BY event_date, funnel
