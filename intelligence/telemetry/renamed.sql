-- The rows on the given days whose user differs from that in `persons`, with the right one. `$days` stands for the days.
CREATE OR REPLACE TEMP TABLE renamed AS
SELECT
    event_date,
    batch_id,
    source_row,
    raw_events.user_id AS was_user_id,
    coalesce(person, delivered_user_id, raw_events.user_id) AS user_id,
    CASE WHEN person IS NOT NULL THEN coalesce(delivered_user_id, raw_events.user_id) END AS delivered_user_id
FROM telemetry.raw_events LEFT JOIN persons ON persons.alias = coalesce(delivered_user_id, user_id)
WHERE event_date IN ($days) AND raw_events.user_id <> coalesce(person, delivered_user_id, raw_events.user_id)
