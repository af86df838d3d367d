-- Sums are taken of decimals: exact in whatever order threads add them. The rows are in the order of days, so that the
-- files' statistics tell them apart.
SELECT
    event_date,
    user_id,
    min(segment) AS segment,
    count(*) AS events,
    count(DISTINCT session_id) AS sessions,
    count(DISTINCT feature) AS features,
    CAST(coalesce(sum(CAST(duration_s AS DECIMAL(18, 3))), 0) AS DOUBLE) AS duration_s,
    CAST(sum(error_count) AS BIGINT) AS errors,
    count(*) FILTER (crashed) AS crashed_events,
    count(*) FILTER (list_contains($conversion_events, event_type)) AS conversions,
    count(rating) AS ratings,
    CAST(coalesce(sum(CAST(rating AS DECIMAL(18, 6))), 0) AS DOUBLE) AS rating_sum,
    CAST(coalesce(sum(CAST(value AS DECIMAL(38, 6))), 0) AS DOUBLE) AS value
FROM warehouse.fact_events
WHERE event_date >= $start AND event_date < $end
GROUP BY event_date, user_id
ORDER BY event_date
