-- Each declared segment beside all other users, over the 28 days that end with the newest one.
SELECT * FROM metrics.segment_differences
WHERE event_date = (SELECT max(event_date) FROM metrics.segment_differences)
ORDER BY q NULLS LAST, segment, metric
