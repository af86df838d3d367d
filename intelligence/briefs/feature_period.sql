-- The figures of a feature over a period: counts added up, users a day as a mean, rates of sums.
SELECT
    $feature AS feature, CAST($first AS DATE) AS first_day, CAST($last AS DATE) AS last_day, count(*) AS days,
    avg(users) AS users, CAST(sum(usage_count) AS BIGINT) AS usage_count, CAST(sum(failed_events) AS BIGINT) AS failed_events,
    sum(failed_events) / nullif(sum(usage_count), 0) AS error_rate,
    sum(crashed_events) / nullif(sum(usage_count), 0) AS crash_rate,
    sum(slow_events) / nullif(sum(timed_events), 0) AS slow_rate,
    CASE WHEN count(*) = 1 THEN max(p95_latency_ms) END AS p95_latency_ms,
    CAST(sum(ratings) AS BIGINT) AS ratings, sum(mean_rating * ratings) / nullif(sum(ratings), 0) AS mean_rating
FROM metrics.fact_feature_metrics
WHERE feature = $feature AND event_date >= $first AND event_date <= $last
