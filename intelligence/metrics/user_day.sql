-- Sums are of decimals: exact in whatever order threads add them. Distinct features are counted as bits, 64 features per
-- block, which is as exact as count(DISTINCT …) and cheaper.
WITH places AS (
    SELECT feature, place >> 6 AS block, CAST(1 AS UBIGINT) << CAST(place & 63 AS UBIGINT) AS mark
    FROM (
        SELECT feature, row_number() OVER (ORDER BY feature) - 1 AS place
        FROM warehouse.fact_events
        WHERE event_date >= $start AND event_date < $end
        GROUP BY feature
    )
),
blocks AS (
    SELECT event_date, user_id, bit_or(mark) AS touched
    FROM warehouse.fact_events INNER JOIN places USING (feature)
    WHERE event_date >= $start AND event_date < $end
    GROUP BY event_date, user_id, block
),
reached AS (
    SELECT event_date, user_id, CAST(sum(bit_count(touched)) AS BIGINT) AS features
    FROM blocks
    GROUP BY event_date, user_id
),
visits AS (
    SELECT event_date, user_id, count(*) AS sessions
    FROM warehouse.fact_sessions
    WHERE event_date >= $start AND event_date < $end
    GROUP BY event_date, user_id
),
activity AS (
    SELECT
        event_date,
        user_id,
        min(segment) AS segment,
        count(*) AS events,
        CAST(coalesce(sum(CAST(duration_s AS DECIMAL(18, 3))), 0) AS DOUBLE) AS duration_s,
        CAST(sum(error_count) AS BIGINT) AS errors,
        count(*) FILTER (crashed) AS crashed_events,
        count(*) FILTER (list_contains($conversion_events, event_type)) AS conversions,
        count(rating) AS ratings,
        CAST(coalesce(sum(CAST(rating AS DECIMAL(18, 6))), 0) AS DOUBLE) AS rating_sum,
        CAST(coalesce(sum(CAST(value AS DECIMAL(38, 6))), 0) AS DOUBLE) AS value
    FROM warehouse.fact_events
    WHERE event_date >= $start AND event_date < $end
    GROUP BY event_date, user_id
)
SELECT activity.*, visits.sessions, reached.features
FROM activity
INNER JOIN visits USING (event_date, user_id)
INNER JOIN reached USING (event_date, user_id)
-- Sorted by day, so that the statistics of the files allow skipping other days.
ORDER BY event_date
