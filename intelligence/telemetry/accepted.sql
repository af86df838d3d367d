-- The rows of `identified` for raw_events. An event is a duplicate where its id stands earlier in this delivery, or in
-- `known`, the lake's own ids, on its day or a day beside it: looking further would cost more with every day of history.
WITH repeated AS (
    SELECT file_key, source_row, event_id, event_date, delivery_number
    FROM identified
    -- A few others with the same hash do no harm; hashes are grouped faster than ids.
    SEMI JOIN (SELECT hash(event_id) AS id_hash FROM identified GROUP BY id_hash HAVING count(*) > 1) AS suspects
        ON hash(identified.event_id) = id_hash
    INNER JOIN deliveries USING (file_key)
),
delivered_before AS (
    SELECT later.file_key, later.source_row
    FROM repeated AS later
    INNER JOIN repeated AS earlier
        ON earlier.event_id = later.event_id
        AND abs(earlier.event_date - later.event_date) <= 1
        AND (earlier.delivery_number, earlier.source_row) < (later.delivery_number, later.source_row)
    UNION
    SELECT file_key, source_row
    FROM identified
    INNER JOIN known ON known.event_id = identified.event_id AND abs(known.event_date - identified.event_date) <= 1
)
SELECT
    identified.* EXCLUDE (content_id, file_key),
    deliveries.source_file,
    $ingested_at AS ingested_at,
    $source AS source,
    deliveries.batch_id,
    delivered_before.source_row IS NOT NULL AS is_duplicate
FROM identified
INNER JOIN deliveries USING (file_key)
LEFT JOIN delivered_before USING (file_key, source_row)
