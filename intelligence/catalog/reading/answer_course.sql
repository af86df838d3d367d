-- The share of bad answers day by day, by feature.
SELECT event_date, feature, sum(hits) / sum(total) AS bad_rate, CAST(sum(hits) AS BIGINT) AS bad, CAST(sum(total) AS BIGINT) AS scored
FROM answers.quality_day
WHERE
    measure = 'bad' AND ($feature = '' OR feature = $feature)
    AND event_date > (SELECT max(event_date) FROM metrics.kpi_day) - CAST($days AS INTEGER)
GROUP BY event_date, feature
ORDER BY event_date, feature
