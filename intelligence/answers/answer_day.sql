-- For each day, feature and versions: how many answers, how long they took and what a good one cost. A good answer is scored and shows
-- no harm; where costs are told of some answers only, both sides count these alone.
SELECT
    event_date,
    feature,
    model_version,
    prompt_version,
    count(*) AS answers,
    count(DISTINCT user_id) AS users,
    count(*) FILTER (is_scored) AS scored_answers,
    count(*) FILTER (is_erased) AS erased_answers,
    count(*) FILTER (is_bad) AS bad_answers,
    count(*) FILTER (NOT is_bad) AS good_answers,
    CAST(sum(ratings) AS BIGINT) AS ratings,
    CAST(sum(good_ratings) AS BIGINT) AS good_ratings,
    quantile_cont(latency_ms, 0.5) AS p50_latency_ms,
    quantile_cont(latency_ms, 0.95) AS p95_latency_ms,
    CAST(sum(tokens_in) AS BIGINT) AS tokens_in,
    CAST(sum(tokens_out) AS BIGINT) AS tokens_out,
    CAST(sum(CAST(cost AS DECIMAL(38, 9))) AS DOUBLE) AS cost,
    count(cost) AS priced_answers,
    CAST(sum(CAST(cost AS DECIMAL(38, 9))) FILTER (is_scored) AS DOUBLE)
    / nullif(count(*) FILTER (NOT is_bad AND cost IS NOT NULL), 0) AS cost_per_good_answer
FROM warehouse.fact_answers
WHERE event_date >= $start AND event_date < $end
GROUP BY event_date, feature, model_version, prompt_version
