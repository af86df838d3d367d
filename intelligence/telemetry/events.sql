SELECT * EXCLUDE (is_duplicate, is_conflict) FROM telemetry.raw_events WHERE NOT is_duplicate
