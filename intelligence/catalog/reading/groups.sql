-- The groups that behaviour sets apart, where there are any.
SELECT * FROM metrics.behaviour_segments
WHERE event_date = (SELECT max(event_date) FROM metrics.behaviour_segments)
ORDER BY users DESC
