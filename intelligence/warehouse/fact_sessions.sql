-- Distinct features are counted as bits, 64 features per block, which is as exact as count(DISTINCT …) and cheaper.
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
    SELECT event_date, user_id, session_id, bit_or(mark) AS touched
    FROM warehouse.fact_events INNER JOIN places USING (feature)
    WHERE event_date >= $start AND event_date < $end
    GROUP BY event_date, user_id, session_id, block
),
reached AS (
    SELECT event_date, user_id, session_id, CAST(sum(bit_count(touched)) AS BIGINT) AS features
    FROM blocks
    GROUP BY event_date, user_id, session_id
),
visits AS (
    SELECT
        event_date,
        user_id,
        session_id,
        min(event_time) AS started_at,
        max(event_time) AS ended_at,
        count(*) AS events,
        CAST(sum(error_count) AS BIGINT) AS errors,
        bool_or(crashed) AS crashed,
        bool_or(list_contains($conversion_events, event_type)) AS converted,
        min(segment) AS segment,
        min(platform) AS platform,
        min(app_version) AS app_version
    FROM warehouse.fact_events
    WHERE event_date >= $start AND event_date < $end
    GROUP BY event_date, user_id, session_id
)
SELECT visits.*, CAST(epoch(ended_at - started_at) AS DOUBLE) AS duration_s, reached.features
FROM visits INNER JOIN reached USING (event_date, user_id, session_id)
-- Sorted by day, so that the statistics of the files allow skipping other days.
ORDER BY event_date
