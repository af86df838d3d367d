-- The rows of `identified` for raw_events: rows that share their id with others marked as in `decided`, and aliases replaced
-- by the users in `persons`.
SELECT
    identified.* EXCLUDE (content_id, file_key) REPLACE (coalesce(persons.person, identified.user_id) AS user_id),
    CASE WHEN persons.person IS NOT NULL THEN identified.user_id END AS delivered_user_id,
    deliveries.source_file,
    $ingested_at AS ingested_at,
    $source AS source,
    deliveries.batch_id,
    coalesce(decided.is_duplicate, false) AS is_duplicate,
    coalesce(decided.is_conflict, false) AS is_conflict
FROM identified
INNER JOIN deliveries USING (file_key)
LEFT JOIN persons ON identified.user_id = persons.alias
LEFT JOIN decided ON decided.is_new AND decided.batch_id = deliveries.batch_id AND decided.source_row = identified.source_row
