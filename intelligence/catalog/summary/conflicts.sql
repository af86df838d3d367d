SELECT source, count(*) AS rows, count(DISTINCT event_id) AS ids, min(event_date) AS first_day, max(event_date) AS last_day,
       arg_min(event_id, (event_time, source_file, source_row)) AS example,
       arg_min(parse_filename(source_file) || ':' || source_row, (event_time, source_file, source_row)) AS found_at
FROM telemetry.raw_events WHERE is_conflict GROUP BY source ORDER BY rows DESC, source
