SELECT source, reason, count(*) AS rows, any_value(left(value, 60)) AS example,
       bool_or(is_readable) AS is_readable
FROM telemetry.rejected_events WHERE redriven_in IS NULL GROUP BY ALL ORDER BY rows DESC
