-- The measures of the last days, summed by feature, versions and segment.
SELECT
    feature, model_version, prompt_version, segment, measure, max(event_date) AS event_date,
    CAST(sum(total) AS BIGINT) AS total, CAST(sum(hits) AS BIGINT) AS hits, CAST(sum(users) AS BIGINT) AS users,
    CAST(sum(hit_square_sum) AS BIGINT) AS hit_square_sum, CAST(sum(cross_sum) AS BIGINT) AS cross_sum,
    CAST(sum(total_square_sum) AS BIGINT) AS total_square_sum
FROM answers.quality_day
WHERE
    ($feature = '' OR feature = $feature)
    AND event_date > (SELECT max(event_date) FROM metrics.kpi_day) - CAST($days AS INTEGER)
GROUP BY feature, model_version, prompt_version, segment, measure
ORDER BY ALL
