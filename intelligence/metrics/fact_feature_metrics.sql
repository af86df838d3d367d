-- Sums are taken of decimals, not of floats: exact, and so the same bit for bit in whatever order threads add them.
-- What a visit touches is a set of bits, 64 features in a block; visits and users are counted bit by bit, which is cheaper
-- than count(DISTINCT …) and as exact.
WITH terms AS (
    SELECT
        feature,
        slow_latency_ms,
        place >> 6 AS block,
        CAST(place & 63 AS UBIGINT) AS bit,
        CAST(1 AS UBIGINT) << CAST(place & 63 AS UBIGINT) AS mark
    FROM (
        SELECT feature, slow_latency_ms, row_number() OVER (ORDER BY feature) - 1 AS place
        FROM warehouse.dim_feature_metadata
    )
),
-- They are read twice, which costs half of what keeping them in memory would.
events AS NOT MATERIALIZED (
    SELECT facts.*, terms.slow_latency_ms, terms.block, terms.mark
    FROM warehouse.fact_events AS facts INNER JOIN terms USING (feature)
    WHERE event_date >= $start AND event_date < $end
),
counted AS (
    SELECT
        event_date,
        feature,
        count(*) AS usage_count,
        count(latency_ms) AS timed_events,
        sum(CAST(latency_ms AS DECIMAL(18, 3))) AS latency_ms,
        quantile_cont(latency_ms, [0.5, 0.95, 0.99]) AS latency_quantiles,
        count(*) FILTER (latency_ms > slow_latency_ms) AS slow_events,
        count(*) FILTER (error_count > 0 OR crashed) AS failed_events,
        sum(error_count) AS errors,
        count(*) FILTER (crashed) AS crashed_events,
        count(rating) AS ratings,
        sum(CAST(rating AS DECIMAL(18, 6))) AS rating_sum,
        count(*) FILTER (rating <= 2) AS bad_ratings,
        coalesce(sum(CAST(duration_s AS DECIMAL(18, 3))), 0) AS duration_s,
        coalesce(sum(CAST(value AS DECIMAL(38, 6))), 0) AS value
    FROM events
    GROUP BY event_date, feature
),
visits AS (
    SELECT event_date, user_id, block, bit_or(mark) AS touched, bit_or(mark) FILTER (crashed) AS crashed
    FROM events
    GROUP BY event_date, user_id, session_id, block
),
visitors AS (
    SELECT event_date, block, bit_or(touched) AS touched FROM visits GROUP BY event_date, user_id, block
),
bits AS (
    SELECT CAST(bit AS UBIGINT) AS bit FROM range(64) AS numbers (bit)
),
sessions AS (
    SELECT event_date, block, bit, count(*) AS sessions, count(*) FILTER ((crashed >> bit) & 1 = 1) AS crashed_sessions
    FROM visits INNER JOIN bits ON (touched >> bit) & 1 = 1
    GROUP BY event_date, block, bit
),
users AS (
    SELECT event_date, block, bit, count(*) AS users
    FROM visitors INNER JOIN bits ON (touched >> bit) & 1 = 1
    GROUP BY event_date, block, bit
),
reached AS (
    SELECT event_date, feature, users, sessions, crashed_sessions
    FROM sessions
    INNER JOIN users USING (event_date, block, bit)
    INNER JOIN terms USING (block, bit)
)
SELECT
    event_date,
    feature,
    usage_count,
    users,
    sessions,
    crashed_sessions,
    1 - crashed_sessions / sessions AS crash_free_session_rate,
    timed_events,
    CAST(latency_ms AS DOUBLE) / nullif(timed_events, 0) AS mean_latency_ms,
    latency_quantiles[1] AS p50_latency_ms,
    latency_quantiles[2] AS p95_latency_ms,
    latency_quantiles[3] AS p99_latency_ms,
    slow_events,
    slow_events / nullif(timed_events, 0) AS slow_rate,
    failed_events,
    failed_events / usage_count AS error_rate,
    CAST(errors AS BIGINT) AS errors,
    crashed_events,
    crashed_events / usage_count AS crash_rate,
    ratings,
    CAST(rating_sum AS DOUBLE) / nullif(ratings, 0) AS mean_rating,
    bad_ratings,
    bad_ratings / nullif(ratings, 0) AS bad_rating_rate,
    CAST(duration_s AS DOUBLE) AS duration_s,
    CAST(value AS DOUBLE) AS value
FROM counted INNER JOIN reached USING (event_date, feature)
