-- The days with rows in the lake whose user differs from that in `persons`. It reads two columns of the whole history.
SELECT DISTINCT event_date
FROM telemetry.raw_events LEFT JOIN persons ON persons.alias = coalesce(delivered_user_id, user_id)
WHERE raw_events.user_id <> coalesce(person, delivered_user_id, user_id)
