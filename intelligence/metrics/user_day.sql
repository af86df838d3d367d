SELECT
    event_date,
    user_id,
    min(segment) AS segment,
    count(*) AS events,
    count(DISTINCT session_id) AS sessions,
    count(DISTINCT feature) AS features,
    coalesce(sum(duration_s), 0) AS duration_s,
    CAST(sum(error_count) AS BIGINT) AS errors,
    count(*) FILTER (crashed) AS crashed_events,
    count(*) FILTER (list_contains($conversion_events, event_type)) AS conversions,
    count(rating) AS ratings,
    coalesce(sum(rating), 0) AS rating_sum,
    coalesce(sum(value), 0) AS value
FROM warehouse.fact_events
WHERE event_date >= $start AND event_date < $end
GROUP BY event_date, user_id
