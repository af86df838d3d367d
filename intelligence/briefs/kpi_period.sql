-- The figures of the product, or of a segment, over a period: counts added up, users a day as a mean, rates of sums.
SELECT
    $segment AS segment, CAST($first AS DATE) AS first_day, CAST($last AS DATE) AS last_day, count(*) AS days,
    avg(dau) AS dau, arg_max(wau, event_date) AS wau, arg_max(mau, event_date) AS mau,
    CAST(sum(events) AS BIGINT) AS events, CAST(sum(sessions) AS BIGINT) AS sessions,
    CAST(sum(converted_users) AS BIGINT) AS converted_users,
    sum(converted_users) / nullif(sum(dau), 0) AS conversion_rate,
    sum(crash_free_user_rate * dau) / nullif(sum(dau), 0) AS crash_free_user_rate,
    CAST(sum(ratings) AS BIGINT) AS ratings, sum(mean_rating * ratings) / nullif(sum(ratings), 0) AS mean_rating,
    sum(value) AS value
FROM metrics.kpi_day
WHERE segment = $segment AND event_date >= $first AND event_date <= $last
