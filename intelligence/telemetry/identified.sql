-- The accepted rows of `judged`, each with its identity: the source's own id, or else the hash of the row's content, with
-- the occurrence number appended for the second and later of identical rows. So a file delivered again adds nothing.
CREATE TEMP VIEW identified AS
SELECT
    judged.* EXCLUDE (broken, broken_value, payload) REPLACE (
        CASE
            WHEN event_id IS NOT NULL THEN event_id
            WHEN occurrence > 1 THEN concat(content_id, '-', occurrence)
            ELSE content_id
        END AS event_id
    ),
    CAST(local_time(event_time) AS DATE) AS event_date
FROM judged
LEFT JOIN occurrences USING (file_key, source_row)
WHERE broken IS NULL
