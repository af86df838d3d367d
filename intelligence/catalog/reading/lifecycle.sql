-- Who is new, who returned, who came back after a pause and who fell silent, day by day.
SELECT event_date, active, new, returned, resurrected, dormant, current
FROM metrics.lifecycle_day
WHERE
    dimension = $dimension AND value = $value
    AND event_date > (SELECT max(event_date) FROM metrics.kpi_day) - CAST($days AS INTEGER)
ORDER BY event_date
