-- Days from $first to $last whose telemetry is at fault.
SELECT event_date AS day, CAST(NULL AS VARCHAR) AS feature, 'telemetry ' || verdict || ': ' || reason AS text
FROM telemetry.day_quality
WHERE event_date >= $first AND event_date <= $last AND verdict IN ('partial', 'empty')
ORDER BY event_date
