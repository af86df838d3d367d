-- The entries of each day of the range [$start, $end): a user enters a funnel with its first step, or with any step where the order
-- does not matter, and not again before the window of the former entry is over.
WITH funnels AS (SELECT unnest($funnels, recursive := true)),
wanted AS (
    SELECT funnel, step, step_name, wanted.event_type, features.feature, window_us
    FROM (SELECT unnest($steps, recursive := true)) AS wanted
    INNER JOIN funnels USING (funnel)
    INNER JOIN warehouse.dim_feature_metadata AS features
        ON wanted.feature IS NULL OR wanted.feature = features.feature
    WHERE step = 1 OR NOT in_order
),
facts AS NOT MATERIALIZED (
    SELECT event_date, event_time, event_id, source, user_id, feature, event_type, segment, platform, app_version
    FROM warehouse.fact_events
    WHERE event_date >= $start AND event_date < $end
),
-- Steps of one type of event, and steps of any event on a feature; of the second kind there are seldom any.
matched AS (
    SELECT funnel, window_us, facts.* FROM facts INNER JOIN wanted USING (feature, event_type)
    UNION ALL
    SELECT funnel, window_us, facts.*
    FROM facts INNER JOIN (FROM wanted WHERE event_type IS NULL) AS wanted USING (feature)
),
before AS (
    SELECT entries.funnel, user_id, epoch_us(max(entered_at)) AS entered_us
    FROM metrics.funnel_entries AS entries INNER JOIN funnels USING (funnel)
    WHERE event_date < $start AND event_date >= CAST($start AS DATE) - days_open - 1
    GROUP BY entries.funnel, user_id
),
candidates AS (
    SELECT funnel, user_id, any_value(window_us) AS window_us, list_sort(list(DISTINCT epoch_us(event_time))) AS moments
    FROM matched
    GROUP BY funnel, user_id
),
-- Each entry bars those within its window: the list of entries grows by those that the one before it does not bar.
chains AS (
    SELECT
        candidates.funnel,
        candidates.user_id,
        list_reduce(
            list_transform(moments, lambda moment: [moment]),
            lambda chain, moment: CASE
                WHEN moment[1] >= chain[-1] + window_us THEN list_concat(chain, moment) ELSE chain
            END,
            [coalesce(entered_us, -4611686018427387904)]
        )[2:] AS entries
    FROM candidates LEFT JOIN before USING (funnel, user_id)
),
entries AS (SELECT funnel, user_id, make_timestamp(unnest(entries)) AS entered_at FROM chains),
firsts AS (
    SELECT
        funnel,
        user_id,
        entered_at,
        any_value(event_date) AS event_date,
        arg_min(
            {
                'event_id': event_id, 'source': source, 'segment': segment,
                'platform': coalesce(platform, 'unknown'), 'app_version': coalesce(app_version, 'unknown')
            },
            (event_id, source)
        ) AS event
    FROM entries INNER JOIN matched USING (funnel, user_id)
    WHERE event_time = entered_at
    GROUP BY funnel, user_id, entered_at
),
names AS (
    SELECT funnel, step_name, by_segment, by_platform, by_app_version
    FROM (SELECT unnest($steps, recursive := true)) INNER JOIN funnels USING (funnel)
    WHERE step = 1
)
SELECT
    event_date,
    funnel,
    step_name,
    user_id,
    entered_at,
    event.event_id,
    event.source,
    CASE WHEN by_segment THEN event.segment END AS segment,
    CASE WHEN by_platform THEN event.platform END AS platform,
    CASE WHEN by_app_version THEN event.app_version END AS app_version
FROM firsts INNER JOIN names USING (funnel)
ORDER BY event_date, funnel
