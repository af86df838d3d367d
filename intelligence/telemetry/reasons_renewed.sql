-- Rows that are rejected again stay in quarantine, with the reason for which they are rejected now.
UPDATE telemetry.rejected_events
SET column_name = refused.column_name, reason = refused.reason, value = refused.value, feature = refused.feature
FROM refused
SEMI JOIN judged USING (file_key, source_row)
WHERE rejected_events.batch_id || ':' || rejected_events.source_file = refused.file_key
    AND rejected_events.source_row = refused.source_row
    AND rejected_events.redriven_in IS NULL
    AND (rejected_events.column_name, rejected_events.reason, rejected_events.value)
    IS DISTINCT FROM (refused.column_name, refused.reason, refused.value)
