-- The rows of `identified` for raw_events. An event is a duplicate where its id stands earlier in this delivery or in
-- the frame `known`: ids already in the lake on its day or a day beside it.
WITH repeated AS (
    SELECT event_id FROM identified GROUP BY event_id HAVING count(*) > 1
),
later AS (
    SELECT file_key, source_row
    FROM identified
    SEMI JOIN repeated USING (event_id)
    INNER JOIN deliveries USING (file_key)
    QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY delivery_number, source_row) > 1
)
SELECT
    identified.* EXCLUDE (content_id, file_key),
    deliveries.source_file,
    $ingested_at AS ingested_at,
    $source AS source,
    deliveries.batch_id,
    later.source_row IS NOT NULL OR known.event_id IS NOT NULL AS is_duplicate
FROM identified
INNER JOIN deliveries USING (file_key)
LEFT JOIN later USING (file_key, source_row)
LEFT JOIN known USING (event_id)
