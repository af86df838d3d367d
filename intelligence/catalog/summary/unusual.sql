-- What is unusual on the newest day for the worse, the most severe and surprising first.
SELECT title, likely_cause, severity, first_day, count(*) OVER () AS episodes
FROM signals.episodes
WHERE event_date = (SELECT max(event_date) FROM metrics.kpi_day) AND is_open AND is_adverse
ORDER BY list_position(['severe', 'notable', 'mild'], severity), surprise DESC, episode
LIMIT 3
