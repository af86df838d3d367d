-- The rows of `identified` for raw_events, with what `decided` says of those whose id is not theirs alone.
SELECT
    identified.* EXCLUDE (content_id, file_key),
    deliveries.source_file,
    $ingested_at AS ingested_at,
    $source AS source,
    deliveries.batch_id,
    coalesce(decided.is_duplicate, false) AS is_duplicate,
    coalesce(decided.is_conflict, false) AS is_conflict
FROM identified
INNER JOIN deliveries USING (file_key)
LEFT JOIN decided ON decided.is_new AND decided.batch_id = deliveries.batch_id AND decided.source_row = identified.source_row
