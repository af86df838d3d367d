-- The product week by week: the 7 days up to its last day, and the four weeks before; a week counts where each day has its row.
WITH days AS (
    SELECT *, (max(event_date) OVER () - event_date) // 7 AS weeks_ago
    FROM metrics.kpi_day
    WHERE segment = 'all'
)
SELECT
    weeks_ago,
    min(event_date) AS first_day,
    max(event_date) AS last_day,
    avg(dau) AS users_a_day,
    sum(converted_users) / nullif(sum(dau), 0) AS conversion_rate,
    sum(mean_rating * ratings) / nullif(sum(ratings), 0) AS mean_rating,
    sum(crash_free_user_rate * dau) / nullif(sum(dau), 0) AS crash_free_user_rate,
    avg(value) AS value_a_day
FROM days
WHERE weeks_ago < 5
GROUP BY weeks_ago
HAVING count(*) = 7
ORDER BY weeks_ago
