-- What each user did on each of the days $first_day to $last_day, described as in the last event of the day; with the
-- $features only, where they are given.
SELECT event_date, user_id, events, user_days, converted_user_days, unnest(latest)
FROM (
    SELECT
        event_date,
        user_id,
        count(*) AS events,
        1 AS user_days,
        max(CAST(list_contains(CAST($conversion_events AS VARCHAR[]), event_type) AS INTEGER)) AS converted_user_days,
        arg_max(
            {
                'segment': segment,
                'platform': platform,
                'release': app_version,
                'region': region,
                'variant': experiment || ': ' || variant
            },
            (event_time, event_id)
        ) AS latest
    FROM warehouse.fact_events
    WHERE event_date >= $first_day AND event_date <= $last_day
        AND ($features IS NULL OR list_contains(CAST($features AS VARCHAR[]), feature))
    GROUP BY event_date, user_id
)
ORDER BY event_date, user_id
