-- How many of the rows that are refused again wait under another reason than the present mapping gives them.
SELECT count(*)
FROM refused
SEMI JOIN judged USING (file_key, source_row)
INNER JOIN waiting USING (file_key, source_row)
WHERE (refused.column_name, refused.reason, refused.value)
    IS DISTINCT FROM (waiting.column_name, waiting.reason, waiting.value)
