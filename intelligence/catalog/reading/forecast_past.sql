-- What the series of a forecast was in the last days, where a table has it day by day.
WITH days AS (
    SELECT event_date, dau, wau, mau, conversion_rate, "value", mean_rating
    FROM metrics.kpi_day
    WHERE segment = $segment AND event_date > (SELECT max(event_date) FROM metrics.kpi_day) - CAST($days AS INTEGER)
),
known AS (
    UNPIVOT (SELECT event_date, dau::DOUBLE AS dau, wau::DOUBLE AS wau, mau::DOUBLE AS mau, conversion_rate, "value" AS "value", mean_rating FROM days)
    ON dau, wau, mau, conversion_rate, "value", mean_rating INTO NAME series VALUE figure
),
used AS (
    SELECT event_date, 'feature_users' AS series, users::DOUBLE AS figure
    FROM metrics.fact_feature_metrics
    WHERE feature = $feature AND event_date > (SELECT max(event_date) FROM metrics.kpi_day) - CAST($days AS INTEGER)
),
begun AS (
    SELECT event_date, 'new_users' AS series, new::DOUBLE AS figure
    FROM metrics.lifecycle_day
    WHERE
        dimension = CASE WHEN $segment = 'all' THEN 'all' ELSE 'segment' END AND "value" = $segment
        AND event_date > (SELECT max(event_date) FROM metrics.kpi_day) - CAST($days AS INTEGER)
)
SELECT event_date, figure
FROM (FROM known UNION ALL BY NAME FROM used UNION ALL BY NAME FROM begun)
WHERE series = $series
ORDER BY event_date
