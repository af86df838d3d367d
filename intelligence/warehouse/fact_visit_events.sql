-- The events of the days [$start, $end) without a session id, each with a derived one: a visit of a user ends after
-- $session_gap_minutes without an event, and at midnight.
SELECT
    * EXCLUDE (opens_visit, anonymous_id, properties, ingested_at, source_file, source_row, batch_id) REPLACE (
        concat(user_id, '@', event_date, '#', count(*) FILTER (opens_visit) OVER (
            PARTITION BY event_date, user_id ORDER BY event_time, event_id, source
        )) AS session_id
    )
FROM (
    SELECT
        *,
        coalesce(event_time - lag(event_time) OVER visit > to_minutes($session_gap_minutes), true) AS opens_visit
    FROM telemetry.events
    WHERE event_date >= $start AND event_date < $end AND session_id IS NULL
    WINDOW visit AS (PARTITION BY event_date, user_id ORDER BY event_time, event_id, source)
)
-- Sorted by day, so that the statistics of the files allow skipping other days.
ORDER BY event_date
