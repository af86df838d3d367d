-- The troubles that are open on the newest day for the worse, the most severe first: each with the features that it is about.
SELECT event_date, episode, features, first_day, last_day, days, anomalous_days, severity, title, metric, value, expected, low, high,
       breaks_on, breaks_from, breaks_until, likely_cause
FROM signals.episodes
WHERE event_date = (SELECT max(event_date) FROM metrics.feature_health) AND is_open AND is_adverse
ORDER BY list_position(['severe', 'notable', 'mild'], severity), surprise DESC, episode
