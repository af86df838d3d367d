SELECT count(*) FILTER (delivered) AS files, coalesce(sum(rows_in) FILTER (delivered), 0)::BIGINT AS rows_in,
       coalesce(sum(accepted), 0)::BIGINT AS accepted, coalesce(sum(duplicates), 0)::BIGINT AS duplicates,
       (SELECT count(*) FROM telemetry.rejected_events WHERE redriven_in IS NULL) AS rejected,
       (SELECT coalesce(sum(withdrawn), 0)::BIGINT FROM telemetry.batches) AS withdrawn
FROM (SELECT *, NOT starts_with(batch_id, 'redrive-') AS delivered FROM telemetry.batches WHERE withdrawn_at IS NULL)
