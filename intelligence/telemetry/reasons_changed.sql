-- The number of rows rejected again whose reason in quarantine differs from that under the present mapping.
SELECT count(*)
FROM refused
SEMI JOIN judged USING (file_key, source_row)
INNER JOIN waiting USING (file_key, source_row)
WHERE (refused.column_name, refused.reason, refused.value)
    IS DISTINCT FROM (waiting.column_name, waiting.reason, waiting.value)
