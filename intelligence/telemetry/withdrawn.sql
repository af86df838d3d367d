-- Withdraws the batches in `withdrawing`: their rows move to the archive, and the ledger keeps their number as withdrawn.
-- `$days` stands for the days on which they have events.
INSERT INTO telemetry.withdrawn_rows BY NAME
SELECT raw_events.*, false AS is_rejected, $withdrawn_at AS withdrawn_at, withdrawn_by
FROM telemetry.raw_events INNER JOIN withdrawing USING (batch_id)
WHERE event_date IN ($days);

INSERT INTO telemetry.withdrawn_rows BY NAME
SELECT rejected_events.*, true AS is_rejected, $withdrawn_at AS withdrawn_at, withdrawn_by
FROM telemetry.rejected_events INNER JOIN withdrawing USING (batch_id);

DELETE FROM telemetry.raw_events
WHERE event_date IN ($days) AND batch_id IN (SELECT batch_id FROM withdrawing);

DELETE FROM telemetry.rejected_events WHERE batch_id IN (SELECT batch_id FROM withdrawing);

DELETE FROM telemetry.aliases WHERE batch_id IN (SELECT batch_id FROM withdrawing);

UPDATE telemetry.batches SET
    withdrawn = rows_in,
    withdrawn_at = $withdrawn_at,
    withdrawn_by = withdrawing.withdrawn_by,
    withdrawn_days = days,
    names = [],
    accepted = 0,
    duplicates = 0,
    conflicts = 0,
    rejected = 0,
    days = []
FROM withdrawing
WHERE batches.batch_id = withdrawing.batch_id
