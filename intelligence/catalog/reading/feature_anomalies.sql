-- The anomalies of a feature in the last days, with what was expected.
SELECT event_date, metric, kind, value, expected, low, high, direction, is_adverse, severity, suppressed, suppressed_by
FROM signals.anomalies
WHERE feature = $feature AND event_date > (SELECT max(event_date) FROM metrics.kpi_day) - CAST($days AS INTEGER)
ORDER BY event_date DESC, list_position(['severe', 'notable', 'mild'], severity), metric
