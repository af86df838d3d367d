-- How often several people who rated the same answer agree whether it is good, that is rated 4 and more.
SELECT
    feature, count(*) AS answers, count(*) FILTER (good_ratings IN (0, ratings)) AS agreed, max(event_date) AS event_date
FROM warehouse.fact_answers
WHERE
    ratings > 1 AND ($feature = '' OR feature = $feature)
    AND event_date > (SELECT max(event_date) FROM metrics.kpi_day) - CAST($days AS INTEGER)
GROUP BY feature
ORDER BY feature
