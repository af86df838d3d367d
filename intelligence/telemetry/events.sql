SELECT * EXCLUDE (is_duplicate) FROM telemetry.raw_events WHERE NOT is_duplicate
