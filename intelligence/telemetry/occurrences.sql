-- Numbers of identical rows without an event id in one file: equal rows are different events.
CREATE TEMP TABLE occurrences AS
SELECT
    file_key,
    source_row,
    row_number() OVER (PARTITION BY file_key, content_id ORDER BY source_row) AS occurrence
FROM judged
SEMI JOIN (
    SELECT file_key, content_id
    FROM judged
    WHERE event_id IS NULL AND broken IS NULL
    GROUP BY file_key, content_id
    HAVING count(*) > 1
) AS repeated USING (file_key, content_id)
