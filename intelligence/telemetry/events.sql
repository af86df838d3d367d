SELECT * EXCLUDE (is_duplicate, is_conflict, delivered_user_id) FROM telemetry.raw_events WHERE NOT is_duplicate
