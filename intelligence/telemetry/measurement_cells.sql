-- What was measured on the days [$start, $end) by source, platform, release and feature: counts and sums, which can be added
-- up to any larger part of the product. Levels are summed as logarithms, so that a change of unit shifts all features equally.
WITH seen AS (
    SELECT
        *,
        event_type IN (SELECT unnest($conversions)) AS converts,
        ln(nullif(latency_ms, 0)) AS latency_ln,
        ln(nullif(duration_s, 0)) AS duration_ln,
        ln(nullif(greatest(value, 0), 0)) AS value_ln
    FROM telemetry.events
    WHERE event_date >= $start AND event_date < $end
)

SELECT
    event_date,
    source,
    platform,
    app_version,
    feature,
    count(*) AS events,
    count(session_id) AS session_id,
    count(error_count) AS error_count,
    count(*) FILTER (error_count > 0) AS failed,
    count(crashed) AS crashed,
    count(*) FILTER (crashed) AS crashes,
    count(*) FILTER (converts) AS conversions,
    count(latency_ms) AS latency_ms,
    count(*) FILTER (latency_ms <= 0) AS latency_ms_zero,
    count(*) FILTER (latency_ms = floor(latency_ms)) AS latency_ms_round,
    sum(latency_ln) AS latency_ms_log,
    sum(latency_ln * latency_ln) AS latency_ms_log2,
    max(latency_ms) AS latency_ms_most,
    count(duration_s) AS duration_s,
    count(*) FILTER (duration_s <= 0) AS duration_s_zero,
    count(*) FILTER (duration_s = floor(duration_s)) AS duration_s_round,
    sum(duration_ln) AS duration_s_log,
    sum(duration_ln * duration_ln) AS duration_s_log2,
    max(duration_s) AS duration_s_most,
    count(value) AS value,
    count(*) FILTER (value <= 0) AS value_zero,
    sum(value_ln) AS value_log,
    sum(value_ln * value_ln) AS value_log2,
    max(value) AS value_most,
    count(rating) AS rating,
    count(*) FILTER (rating < 1.5) AS rating_1,
    count(*) FILTER (rating > 4.5) AS rating_5,
    sum(rating) AS rating_sum,
    min(rating) AS rating_least,
    max(rating) AS rating_most
FROM seen
GROUP BY ALL
