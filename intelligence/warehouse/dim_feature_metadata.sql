-- The features of product.yaml (in the frame `declared`) and those with events, updated with the days [$start, $end).
-- A feature that product.yaml does not name has the defaults (in the frame `defaults`); {feature} in a flag key stands for
-- the feature's name with dashes.
WITH seen AS (
    SELECT feature, min(first_seen_date) AS first_seen_date
    FROM (
        SELECT feature, first_seen_date FROM warehouse.dim_feature_metadata WHERE first_seen_date IS NOT NULL
        UNION ALL
        SELECT feature, min(event_date) FROM telemetry.events
        WHERE event_date >= $start AND event_date < $end
        GROUP BY feature
    )
    GROUP BY feature
),
named AS (
    SELECT coalesce(declared.feature, seen.feature) AS feature, declared.feature IS NOT NULL AS is_declared, seen.first_seen_date
    FROM declared FULL JOIN seen ON declared.feature = seen.feature
)
SELECT
    named.feature,
    terms.owner,
    terms.lifecycle,
    terms.tier,
    replace(terms.flag_key, '{feature}', replace(named.feature, '_', '-')) AS flag_key,
    named.is_declared,
    named.first_seen_date,
    terms.max_error_rate,
    terms.max_crash_rate,
    terms.slow_latency_ms,
    terms.max_slow_rate,
    terms.max_bad_rating_rate,
    terms.max_bad_answer_rate
FROM named
LEFT JOIN (FROM declared UNION ALL BY NAME FROM defaults) AS terms
    ON terms.feature IS NOT DISTINCT FROM CASE WHEN named.is_declared THEN named.feature END
