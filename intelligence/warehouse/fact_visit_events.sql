-- The events of the days [$start, $end) that bring no session id, each with one: a visit of a user ends after
-- $session_gap_minutes of silence and at midnight.
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
-- In the order of days, so that the files' statistics tell them apart.
ORDER BY event_date
