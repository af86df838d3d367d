-- What is forecast, by day from $first to $day: the KPIs of the $segments largest segments, new users and their return after a
-- week, and the users of the $features largest features. Nobody is known to be new before $first_new. Where no kind of user is
-- known, there are no segments; what never had any value has none to forecast.
WITH segments AS (
    SELECT segment
    FROM metrics.kpi_day
    WHERE event_date > $day - 28 AND event_date <= $day AND segment <> 'all'
    GROUP BY segment
    QUALIFY segment <> 'unknown' OR count(*) OVER () > 1
    ORDER BY sum(dau) DESC, segment
    LIMIT $segments
),
kpis AS (
    SELECT * FROM metrics.kpi_day
    WHERE event_date >= $first AND event_date <= $day AND (segment = 'all' OR segment IN (FROM segments))
),
newcomers AS (
    SELECT user_id, CAST(local_time(first_seen_at) AS DATE) AS first_day
    FROM warehouse.dim_users
    WHERE CAST(local_time(first_seen_at) AS DATE) >= $first_new AND CAST(local_time(first_seen_at) AS DATE) <= $day
),
arrivals AS (
    SELECT event_date, user_id, segment
    FROM metrics.user_day INNER JOIN newcomers USING (user_id)
    WHERE event_date = first_day AND event_date >= $first_new AND event_date <= $day
),
returns AS (
    SELECT arrivals.event_date + 7 AS event_date, segment, count(*) AS arrived, count(later.user_id) AS returned
    FROM arrivals
    LEFT JOIN (
        SELECT event_date, user_id FROM metrics.user_day WHERE event_date >= $first_new + 7 AND event_date <= $day
    ) AS later ON later.user_id = arrivals.user_id AND later.event_date = arrivals.event_date + 7
    WHERE arrivals.event_date + 7 <= $day AND arrivals.event_date + 7 >= $first
    GROUP BY ALL
),
arrived AS (
    SELECT event_date, segment, count(*) AS users FROM arrivals WHERE event_date >= $first GROUP BY ALL
),
new_users AS (
    SELECT event_date, segment, coalesce(users, 0) AS users
    FROM (SELECT event_date, segment FROM kpis WHERE segment <> 'all' AND event_date >= $first_new)
    LEFT JOIN arrived USING (event_date, segment)
    UNION ALL
    SELECT event_date, 'all', coalesce(users, 0)
    FROM (SELECT event_date FROM kpis WHERE segment = 'all' AND event_date >= $first_new)
    LEFT JOIN (SELECT event_date, sum(users) AS users FROM arrived GROUP BY event_date) USING (event_date)
),
largest AS (
    SELECT feature
    FROM metrics.fact_feature_metrics
    WHERE event_date > $day - 28 AND event_date <= $day
    GROUP BY feature
    ORDER BY sum(users) DESC, feature
    LIMIT $features
)
SELECT event_date, 'dau' AS series, segment, '' AS feature, CAST(dau AS DOUBLE) AS value, CAST(NULL AS DOUBLE) AS cases FROM kpis
UNION ALL
SELECT event_date, 'wau', segment, '', wau, NULL FROM kpis WHERE wau IS NOT NULL
UNION ALL
SELECT event_date, 'mau', segment, '', mau, NULL FROM kpis WHERE mau IS NOT NULL
UNION ALL
SELECT event_date, 'new_users', segment, '', users, NULL FROM new_users
UNION ALL
SELECT event_date, 'retention_7d', segment, '', returned / arrived, arrived
FROM (
    SELECT event_date, segment, arrived, returned FROM returns WHERE segment IN (FROM segments)
    UNION ALL
    SELECT event_date, 'all', sum(arrived), sum(returned) FROM returns GROUP BY event_date
)
UNION ALL
SELECT event_date, 'conversion_rate', segment, '', conversion_rate, dau FROM kpis WHERE conversion_rate IS NOT NULL
UNION ALL
SELECT event_date, 'value', segment, '', value, NULL
FROM kpis
WHERE segment IN (SELECT segment FROM metrics.kpi_day WHERE event_date <= $day AND value <> 0)
UNION ALL
SELECT event_date, 'mean_rating', segment, '', mean_rating, ratings FROM kpis WHERE mean_rating IS NOT NULL
UNION ALL
SELECT event_date, 'feature_users', 'all', feature, users, NULL
FROM metrics.fact_feature_metrics SEMI JOIN largest USING (feature)
WHERE event_date >= $first AND event_date <= $day
ORDER BY series, segment, feature, event_date
