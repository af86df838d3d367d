-- A feature's events by day, the files that contain them, and one example, a failed event where there is one.
SELECT event_date, count(*) AS events, count(*) FILTER (error_count > 0 OR crashed) AS failed,
       string_agg(DISTINCT parse_filename(source_file), ', ') AS files,
       coalesce(max(event_id || ' at ' || parse_filename(source_file) || ':' || source_row) FILTER (error_count > 0 OR crashed),
                max(event_id || ' at ' || parse_filename(source_file) || ':' || source_row)) AS example
FROM telemetry.events WHERE feature = $feature AND event_date BETWEEN $first AND $last GROUP BY event_date ORDER BY event_date
