-- Which of the rows in `rivals`, which share their id with another row or did so before, are duplicates of an event, and
-- which of these conflict with it in content. Decided are new rows, and stored rows on the days in `touched` and the day after.
CREATE OR REPLACE TEMP TABLE decided AS
WITH ranked AS (
    SELECT
        *,
        row_number() OVER in_order > 1 AS comes_later,
        first_value(content) OVER in_order AS first_content
    FROM rivals
    -- Of equal rows the one that already counts continues to count.
    WINDOW in_order AS (
        PARTITION BY event_id, event_date
        ORDER BY event_time, content, source, is_new, was_duplicate, delivery_number, batch_id, source_row
    )
),
held AS (SELECT DISTINCT event_id, event_date + 1 AS event_date, true AS was_yesterday FROM rivals),

-- A small part of all delivered rows.
looked_at AS (SELECT DISTINCT event_id, event_date FROM touched SEMI JOIN rivals USING (event_id))

SELECT
    ranked.* EXCLUDE (comes_later, first_content),
    coalesce(was_yesterday, false) OR comes_later AS is_duplicate,
    coalesce(was_yesterday, false) OR (comes_later AND content <> first_content) AS is_conflict
FROM ranked LEFT JOIN held USING (event_id, event_date)
WHERE is_new OR (event_id, event_date) IN (
    SELECT (event_id, event_date) FROM looked_at UNION ALL SELECT (event_id, event_date + 1) FROM looked_at
)
