-- Users of a feature and of the whole product by day; days on which either is not built yet are left out.
WITH built AS (SELECT DISTINCT event_date FROM metrics.fact_feature_metrics WHERE event_date >= $first)
SELECT product.event_date, coalesce(facts.users, 0) AS users, product.dau AS active, quality.verdict = 'whole' AS is_sound
FROM metrics.kpi_day AS product
JOIN telemetry.day_quality AS quality USING (event_date)
JOIN built USING (event_date)
LEFT JOIN metrics.fact_feature_metrics AS facts ON facts.event_date = product.event_date AND facts.feature = $feature
WHERE product.segment = 'all' AND product.event_date >= $first
